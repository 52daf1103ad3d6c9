"""Parquet between the stages: what stage 1 writes and stage 2 reads."""
