"""Whole recordings: uploaded, diarized in a process of their own, kept until they are fetched."""
