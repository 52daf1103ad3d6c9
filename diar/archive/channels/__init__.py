"""The channels of a file: their contents, and the choice of those to read."""
