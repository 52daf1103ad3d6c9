"""Stage 1: audio to embeddings."""
