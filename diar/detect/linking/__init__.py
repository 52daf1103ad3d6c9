"""The same person under the same id in all recordings of an archive."""
