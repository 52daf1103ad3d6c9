"""The process that diarizes uploads: apart from the service, so that nothing in an upload can end that."""

from __future__ import annotations

import os
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

_NICENESS = 10  # live sessions come first


@dataclass(frozen=True)
class Networks:
    """What a worker opens."""

    model: str
    segmentation: str
    device: str
    precision: str


@dataclass(frozen=True)
class Task:
    """One recording."""

    path: str
    asked: dict[str, Any]
    most_seconds: float  # of audio


class TooLong(Exception):
    """The recording is longer than is allowed."""


def work(connection: Connection, networks: Networks) -> None:
    """Open the networks, tell their versions, then do tasks until the connection closes.

    Sends `("versions", dict)` once; for each task any number of `("read", seconds, share)`, then
    `("done", json)` or `("failed", code, message)`. If the networks cannot be opened: `("broken", message)`.
    """
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    from diar.errors import DiarError

    try:
        pipeline = _Pipeline(networks)
    except DiarError as error:
        connection.send(("broken", str(error)))
        return
    connection.send(("versions", pipeline.versions))
    while True:
        try:
            task = connection.recv()
        except EOFError:
            return  # the service has ended
        connection.send(_outcome(pipeline, task, connection))


def _outcome(pipeline: _Pipeline, task: Task, connection: Connection) -> tuple[str, ...]:
    from diar.errors import DiarError

    try:
        return "done", pipeline.run(task, connection)
    except TooLong as error:
        return "failed", "too_large", str(error)
    except DiarError as error:
        return "failed", "failed", str(error).replace(f"{task.path}: ", "").replace(task.path, "the upload")
    except MemoryError:
        return "failed", "too_large", "the recording does not fit into memory"


class _Pipeline:
    """The offline pipeline with its networks."""

    def __init__(self, networks: Networks) -> None:
        import diar
        from diar.api.asked import Asked

        self._encoder = diar.open_encoder(
            networks.model, device=networks.device, precision=networks.precision
        )
        self._segmentation = diar.open_segmentation(networks.segmentation)
        self.versions = {
            "program": f"diar {diar.__version__}",
            "models": self._encoder.metadata(self._segmentation),
            "precision": self._encoder.precision,
            "thresholds": Asked().thresholds(),
        }

    def run(self, task: Task, connection: Connection) -> str:
        """Return turns.json of a recording; raises TooLong and what `diar.diarize` does."""
        import diar

        def on_read(seconds: float, share: float) -> None:
            if seconds > task.most_seconds:
                raise TooLong(
                    f"the recording is longer than {task.most_seconds / 3600:g} h, whatever its header says"
                )
            connection.send(("read", seconds, share))

        voice = diar.embed(task.path, encoder=self._encoder, segmentation=self._segmentation, on_read=on_read)
        return diar.diarize(voice, **task.asked).to_json()
