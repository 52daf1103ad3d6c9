"""Samples to tracks."""
