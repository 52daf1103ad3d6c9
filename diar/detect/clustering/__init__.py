"""Inside a recording: which embeddings belong to one speaker."""
