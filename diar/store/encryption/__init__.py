"""Encryption at rest: keys, Parquet's own encryption, other files, hidden names (docs/custody.md)."""
