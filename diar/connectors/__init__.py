"""Other systems: Kafka, MLflow, Prometheus; each connector speaks to one kind of server."""
