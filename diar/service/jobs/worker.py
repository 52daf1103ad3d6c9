"""The process that diarizes uploads: apart from the service, so that nothing in an upload can end that."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from typing import Any

TURNS, WORDS = "turns", "words"  # documents of a recording
_NICENESS = 10  # live sessions come first
_READING = 0.3  # of the time, where words are wanted, too


@dataclass(frozen=True)
class Networks:
    """What a worker opens."""

    model: str
    segmentation: str
    device: str
    precision: str
    asr: str  # the recogniser, opened by the first task that wants words
    threads: int  # of the recogniser


@dataclass(frozen=True)
class Task:
    """One recording."""

    path: str
    asked: dict[str, Any]
    most_seconds: float  # of audio
    words: bool = False
    language: str | None = None  # of the words; None = found


@dataclass(frozen=True)
class OpenWords:
    """A wish for the recogniser: it is opened, and its version told."""


class TooLong(Exception):
    """The recording is longer than is allowed."""


def work(connection: Connection, networks: Networks) -> None:
    """Open the networks, tell their versions, then do tasks until the connection closes.

    Sends `("versions", dict)` once, and for each `OpenWords`; for each task any number of
    `("read", seconds, share)`, then `("done", parts)` or `("failed", code, message)`. If the networks or the
    recogniser cannot be opened: `("broken", message)`.
    """
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    from diar.errors import DiarError
    from diar.options.logs import log_as_parent

    log_as_parent()

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


def _outcome(pipeline: _Pipeline, task: Task | OpenWords, connection: Connection) -> tuple[Any, ...]:
    from diar.errors import DiarError

    if isinstance(task, OpenWords):
        try:
            return "versions", pipeline.open_words()
        except DiarError as error:
            return "broken", str(error)
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

        self._networks = networks
        self._recogniser: Any = None  # opened when words are wanted
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

    def open_words(self) -> dict[str, Any]:
        """Open the recogniser if it is not open; return the version of all; raises DiarError."""
        import diar

        networks = self._networks
        if self._recogniser is None:
            self._recogniser = diar.open_recogniser(
                networks.asr, device=networks.device, threads=networks.threads
            )
        return {**self.versions, "recogniser": asdict(self._recogniser.identity)}

    def run(self, task: Task, connection: Connection) -> dict[str, str]:
        """Return the documents of a recording by name; raises TooLong and what `diar.diarize` does."""
        import diar

        def on_read(seconds: float, share: float) -> None:
            if seconds > task.most_seconds:
                raise TooLong(
                    f"the recording is longer than {task.most_seconds / 3600:g} h, whatever its header says"
                )
            connection.send(("read", seconds, share))

        networks: dict[str, Any] = {"encoder": self._encoder, "segmentation": self._segmentation}
        if not task.words:
            voice = diar.embed(task.path, **networks, on_read=on_read)
            return {TURNS: diar.diarize(voice, **task.asked).to_json()}

        def on_progress(stage: str, seconds: float, share: float) -> None:
            if stage == "read":
                on_read(seconds, _READING * share)
            else:
                connection.send(("read", seconds, _READING + (1 - _READING) * share))

        heard = diar.transcribe(
            task.path,
            recogniser=self._recogniser,
            language=task.language,
            on_progress=on_progress,
            **networks,
            **task.asked,
        )
        return {TURNS: heard.diarization.to_json(), WORDS: heard.to_json()}
