"""Segmentation by a Sortformer of eight speakers: NVIDIA's Nemotron 3 Diarization, without its cache."""
