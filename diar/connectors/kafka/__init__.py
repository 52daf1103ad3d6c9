"""Kafka: recordings and live audio in, results and events out (docs/streams.md)."""
