"""Removing recordings from outputs, and proving that nothing of them is left."""
