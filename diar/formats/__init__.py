"""Turns and results as text: RTTM, JSON, TextGrid, labels, tables."""
