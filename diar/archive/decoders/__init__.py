"""Samples of audio files of all kinds."""
