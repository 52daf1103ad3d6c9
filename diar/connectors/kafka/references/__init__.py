"""Recordings by reference: taken from a topic, diarized in batches, published, told on another topic."""
