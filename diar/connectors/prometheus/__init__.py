"""Metrics for Prometheus (docs/metrics.md): over HTTP while a command works, as a textfile at its end."""
