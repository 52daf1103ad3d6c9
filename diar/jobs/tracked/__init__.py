"""What a tracking server gets of a command (docs/mlflow.md)."""
