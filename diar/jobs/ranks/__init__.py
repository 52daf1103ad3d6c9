"""The processes of a run: starting and supervising them, agreement between them, claims of shards."""
