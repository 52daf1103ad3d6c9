"""What a command tells of its run, to nobody or to a tracking server. Cheap to import: every command does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diar.options.tracking import TrackedConfig

LAST_SECONDS = 30.0  # at the end, for what waits to be told, as long as the server answers
Metrics = Mapping[str, float]


@dataclass(frozen=True)
class Child:
    """A run within another one, all of it."""

    name: str
    parameters: Mapping[str, str]
    metrics: Metrics


class Tracking:
    """What a command tells of its run; this one tells nobody."""

    def watch(self, read: Callable[[], Metrics]) -> None:
        """Ask `read` for figures again and again, in the thread of the tracker, and once at the end."""

    def figures(self, metrics: Metrics) -> None:
        """Tell figures as of now."""

    def parameters(self, values: Mapping[str, Any]) -> None:
        """Tell parameters that were not known at the start."""

    def artifacts(self, files: Iterable[tuple[str, bytes | Path]]) -> None:
        """Tell results: names, and contents or files, which are read later."""

    def children(self, runs: Iterable[Child], seconds: float = LAST_SECONDS) -> None:
        """Tell whole runs within this one, for which there are so many seconds more at the end."""


def run_tracked(
    config: TrackedConfig, command: str, work: Callable[[Tracking], int], tell: Callable[[str], None]
) -> int:
    """Do the work of a command, tell the tracking server of it if there is one, and return its exit code.

    Args:
        config: the command's options.
        command: its name, which the run gets.
        work: is given what it tells; returns the exit code.
        tell: shows a line to the user.
    """
    if config.mlflow is None:
        return work(Tracking())
    from diar.connectors.mlflow.tracker import Tracker  # and all that speaks HTTP

    tracker, code = Tracker(config, command, tell), None
    try:
        code = work(tracker)
        return code
    finally:
        tracker.close(code)
