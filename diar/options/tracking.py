"""Options of commands whose runs a tracking server of MLflow may keep (docs/mlflow.md)."""

from __future__ import annotations

import os
from typing import Literal

from pydantic import field_validator

from diar.options.base import CommandConfig, option
from diar.options.keys import KEY_VARIABLE

TRACKING_OPTIONS = ("mlflow", "mlflow_experiment", "mlflow_artifacts")


class TrackedConfig(CommandConfig):
    """A command that tells of its run. These options are no parameters of a result: `model_dump` has none."""

    mlflow: str | None = option(
        None,
        "tracking",
        "address of a tracking server, such as http://127.0.0.1:5000: it gets the run's options, versions, "
        "figures over time and small results, never audio or embeddings; the work never waits for it",
        metavar="URI",
        exclude=True,
    )
    mlflow_experiment: str = option("diar", "tracking", "experiment that gets the run", exclude=True)
    mlflow_artifacts: Literal["auto", "results", "none"] = option(
        "auto",
        "tracking",
        "results = tables, turns, pictures and pages, which name recordings and people; none = figures only; "
        "auto = results, but none where outputs are encrypted",
        exclude=True,
    )

    @field_validator("mlflow")
    @classmethod
    def _check_address(cls, value: str | None) -> str | None:
        return None if value is None else tracking_address(value)

    @property
    def sends_results(self) -> bool:
        """Whether the tracking server gets more than figures."""
        if self.mlflow_artifacts == "auto":
            return getattr(self, "encryption_key", None) is None and KEY_VARIABLE not in os.environ
        return self.mlflow_artifacts == "results"


def tracking_address(value: str) -> str:
    """Return the address of a server without a slash at its end.

    Raises:
        ValueError: it is none, or holds a password.
    """
    scheme, separator, rest = value.rstrip("/").partition("://")
    host = rest.partition("/")[0]
    if not separator or scheme not in ("http", "https") or not host or "?" in rest or "#" in rest:
        raise ValueError("is the address of a tracking server, such as http://127.0.0.1:5000")
    if "@" in host:
        raise ValueError(
            "holds a name or password, which others may read: set MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"
        )
    return f"{scheme}://{rest}"
