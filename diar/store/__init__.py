"""The Parquet contract between the stages; free of torch."""
