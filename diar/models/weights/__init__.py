"""Weights: named ones and where they are fetched from, and reading their files."""
