"""Stage 2: speaker boundaries from stored embeddings; numpy, scipy and scikit-learn only."""
