"""Pipelines of pyannote.audio: a folder of networks, a PLDA model and settings."""
