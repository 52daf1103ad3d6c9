"""Segmentation networks: who of some local speakers speaks in each frame of a seg_window."""
