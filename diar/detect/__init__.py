"""Stage 2: speakers from stored embeddings; numpy, scipy and scikit-learn only."""
