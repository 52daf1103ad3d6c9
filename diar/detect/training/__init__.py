"""Back ends that are learned from embeddings whose speakers are known."""
