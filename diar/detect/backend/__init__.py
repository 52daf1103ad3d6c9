"""Trained back ends: what compares voices in place of the encoder's own cosine."""
