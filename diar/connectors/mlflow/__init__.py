"""MLflow: runs that are tracked, a registry of models, and models that are served (docs/mlflow.md)."""
