"""`diar train`: back ends from embeddings whose speakers are known."""
