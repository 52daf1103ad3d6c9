"""Stage 2: embeddings to speakers."""
