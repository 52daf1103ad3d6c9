"""The process that hears the words of all live sessions: apart from the turns, which it must not delay."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from diar.errors import DiarError
from diar.records import Word
from diar.spawning import SPAWN

_NICENESS = 10  # turns come first
_OPENING = 600.0  # seconds for the weights, which may have to be fetched
_ANSWERING = 60.0  # seconds for a batch
_GOODBYE = 2.0
_TELLS_LANGUAGE = 3.0  # seconds of speech that tell the language
_FULL_SCALE = 32768.0
RATE = 16_000


@dataclass(frozen=True)
class Opened:
    """A recogniser that is open."""

    model: str
    languages: frozenset[str] | None  # that it knows; None: it does not say


@dataclass(frozen=True)
class Heard:
    """What one piece held."""

    words: list[Word]
    language: str | None  # that was given or found; None = not known yet


class WordsError(DiarError):
    """The recogniser cannot be opened, or its process has ended."""


class WordsProcess:
    """A process with one recogniser, started when it is needed, and again after it died.

    Used by one thread at a time, but for `end`.

    Args:
        asr: the recogniser's name.
        device: `auto`, `cuda` or `cpu`.
        threads: of the CPU.

    Attributes:
        opened: what was opened; None before.
    """

    def __init__(self, asr: str, device: str, threads: int) -> None:
        self._asr, self._device, self._threads = asr, device, threads
        self._process: Any = None
        self._connection: Connection | None = None
        self._lock = threading.Lock()
        self.opened: Opened | None = None
        self._ended = False

    @property
    def running(self) -> bool:
        """Whether the recogniser is open and its process lives."""
        return self.opened is not None and self._process is not None and self._process.is_alive()

    def open(self) -> None:
        """Start the process and open the recogniser, if that is not done; raises WordsError."""
        if self.running:
            return
        self.opened = None
        with self._lock:
            if self._ended:
                raise WordsError("the service ends")
            self._connection, theirs = SPAWN.Pipe()
            arguments = (theirs, self._asr, self._device, self._threads)
            self._process = SPAWN.Process(target=_work, args=arguments, daemon=True)
            self._process.start()
            theirs.close()
        answer = self._receive(_OPENING)
        if not isinstance(answer, Opened):
            raise WordsError(str(answer))
        self.opened = answer

    def recognise(self, pieces: Sequence[tuple[np.ndarray, str | None]]) -> list[Heard]:
        """Return what pieces hold.

        Args:
            pieces: samples (n,) float32 and the language of each.

        Raises:
            WordsError: it cannot be done; the next call may succeed.
        """
        self.open()
        assert self._connection is not None
        small = [((samples * _FULL_SCALE).astype(np.int16), language) for samples, language in pieces]
        try:
            self._connection.send(small)
        except OSError as error:
            raise WordsError(f"the process of the recogniser has ended: {error}") from None
        answer = self._receive(_ANSWERING)
        if isinstance(answer, str):
            raise WordsError(answer)
        heard: list[Heard] = answer
        return heard

    def end(self, for_good: bool = False) -> None:
        """End the process at once."""
        with self._lock:
            self._ended = self._ended or for_good
            process = self._process
            if process is not None and process.is_alive():
                process.terminate()
                process.join(_GOODBYE)
                if process.is_alive():
                    process.kill()

    def _receive(self, seconds: float) -> Any:
        assert self._connection is not None
        try:
            if self._connection.poll(seconds):
                return self._connection.recv()
        except (EOFError, OSError):
            self._process.join(_GOODBYE)
            raise WordsError(
                f"the process of the recogniser has ended (exit code {self._process.exitcode})"
            ) from None
        self.end()
        raise WordsError(f"the recogniser has not answered for {seconds:.0f} s")


def _work(connection: Connection, asr: str, device: str, threads: int) -> None:
    """Open the recogniser, then answer batches until the connection closes.

    Sends `Opened`, or why it cannot be; for each batch a list of `Heard`, or what went wrong.
    """
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    os.environ["OMP_NUM_THREADS"] = str(threads)
    from diar.models.device import device_kind
    from diar.service.words.whisper import open_live

    try:
        recogniser = open_live(asr, device_kind(device, None), threads)
    except DiarError as error:
        connection.send(str(error))
        return
    connection.send(Opened(recogniser.identity.model, recogniser.languages))
    while True:
        try:
            pieces = connection.recv()
        except EOFError:
            return  # the service has ended
        try:
            connection.send(_answers(recogniser, pieces))
        except DiarError as error:
            connection.send(str(error))


def _answers(recogniser: Any, pieces: Sequence[tuple[np.ndarray, str | None]]) -> list[Heard]:
    """Return what pieces hold; those of one language are one batch."""
    samples = [given.astype(np.float32) / _FULL_SCALE for given, _ in pieces]
    found = [
        language or _language(recogniser, own) for own, (_, language) in zip(samples, pieces, strict=True)
    ]
    heard: list[Heard] = [Heard([], None)] * len(pieces)
    for language in dict.fromkeys(found):
        places = [place for place, one in enumerate(found) if one == language]
        words = recogniser.recognise([samples[place] for place in places], language)
        for place, own in zip(places, words, strict=True):
            sure = pieces[place][1] is not None or len(samples[place]) >= _TELLS_LANGUAGE * RATE
            heard[place] = Heard(own, language if sure else None)
    return heard


def _language(recogniser: Any, samples: np.ndarray) -> str | None:
    found = recogniser.detect([samples])
    return None if found is None else str(found.code)
