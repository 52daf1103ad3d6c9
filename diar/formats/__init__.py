"""Turns and results as texts."""
