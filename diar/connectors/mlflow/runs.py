"""One run on a tracking server: its parameters, figures, artifacts and end."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from diar.connectors.mlflow import artifacts
from diar.connectors.mlflow.server import ABSENT, THERE_ALREADY, Server, TrackingError
from diar.connectors.mlflow.tracking import Child

FINISHED, FAILED, KILLED = "FINISHED", "FAILED", "KILLED"
_MOST_PARAMETERS, _MOST_METRICS, _MOST_TAGS = 100, 1_000, 100  # of one request, by MLflow's limits
_PARENT = "mlflow.parentRunId"


@dataclass(frozen=True)
class RemoteRun:
    """A run that has begun."""

    server: Server
    experiment: str  # its number
    id: str
    artifact_uri: str

    @classmethod
    def begin(
        cls, server: Server, experiment: str, name: str, tags: Mapping[str, str], started: float | None = None
    ) -> RemoteRun:
        """Begin a run.

        Args:
            server: that gets it.
            experiment: name; made where it is missing.
            name: of the run.
            tags: of the run.
            started: seconds since the epoch; None = now.

        Raises:
            TrackingError: the server does not answer, or refuses.
        """
        return cls._begin(server, _experiment(server, experiment), name, tags, started)

    @classmethod
    def _begin(
        cls, server: Server, experiment: str, name: str, tags: Mapping[str, str], started: float | None
    ) -> RemoteRun:
        values = {
            "experiment_id": experiment,
            "run_name": name,
            "start_time": _milliseconds(started),
            "tags": _pairs(tags),
        }
        info = server.part(server.post("runs/create", values), "run", "info")
        return cls(server, experiment, server.part(info, "run_id"), server.part(info, "artifact_uri"))

    @property
    def page(self) -> str:
        """Address of the run for a browser."""
        return f"{self.server.uri}/#/experiments/{self.experiment}/runs/{self.id}"

    def parameters(self, values: Mapping[str, str]) -> None:
        """Add parameters, which never change afterwards."""
        for some in _batches(_pairs(values), _MOST_PARAMETERS):
            self.server.post("runs/log-batch", {"run_id": self.id, "params": some})

    def metrics(self, values: Mapping[str, float], step: int = 0, at: float | None = None) -> None:
        """Add figures of one moment; those that are no numbers are left out."""
        told = {"step": step, "timestamp": _milliseconds(at)}
        known = [{"key": k, "value": float(v), **told} for k, v in values.items() if math.isfinite(v)]
        for some in _batches(known, _MOST_METRICS):
            self.server.post("runs/log-batch", {"run_id": self.id, "metrics": some})

    def tags(self, values: Mapping[str, str]) -> None:
        """Set tags."""
        for some in _batches(_pairs(values), _MOST_TAGS):
            self.server.post("runs/log-batch", {"run_id": self.id, "tags": some})

    def artifact(self, name: str, content: bytes | Path) -> None:
        """Store one artifact."""
        artifacts.upload(self.server, self.artifact_uri, name, content)

    def child(self, child: Child) -> None:
        """Make a whole run within this one."""
        now = time.time()
        run = self._begin(self.server, self.experiment, child.name, {_PARENT: self.id}, now)
        run.parameters(child.parameters)
        run.metrics(child.metrics, at=now)
        run.end(FINISHED)

    def end(self, status: str) -> None:
        """End the run as FINISHED, FAILED or KILLED."""
        values = {"run_id": self.id, "status": status, "end_time": _milliseconds(None)}
        self.server.post("runs/update", values)


def _experiment(server: Server, name: str) -> str:
    """Return the number of an experiment, which is made where it is missing."""
    try:
        found = server.get("experiments/get-by-name", {"experiment_name": name})
        return str(server.part(found, "experiment", "experiment_id"))
    except TrackingError as error:
        if error.code != ABSENT:
            raise
    try:
        return str(server.part(server.post("experiments/create", {"name": name}), "experiment_id"))
    except TrackingError as error:
        if error.code != THERE_ALREADY:
            raise
    return _experiment(server, name)  # somebody else was faster


def _pairs(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in values.items()]


def _batches(values: Sequence[dict[str, Any]], most: int) -> Iterator[list[dict[str, Any]]]:
    remaining = iter(values)
    while some := list(islice(remaining, most)):
        yield some


def _milliseconds(at: float | None) -> int:
    return round(1000 * (time.time() if at is None else at))
