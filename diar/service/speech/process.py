"""The process of a synthesizer: apart from the event loop, and from the networks of live streams."""

from __future__ import annotations

import os
from multiprocessing.connection import Connection

import numpy as np

from diar.errors import DiarError
from diar.spawning import ProcessEnded, ProcessSilent, SideProcess
from diar.voices.synthesizer import NothingToSpeakError, Synthesizer, Text

_NICENESS = 5  # turns come first
_OPENING = 600.0  # seconds for the weights, which may have to be fetched
_SPEAKING = 120.0  # seconds for a sentence


class SpeechError(DiarError):
    """A synthesizer that cannot be opened, or that failed; the message is not for callers."""


class SpeechProcess:
    """A synthesizer in a process, started when it is needed, and again after it died. For one thread.

    Args:
        weights: what `open_synthesizer` takes.
        threads: of the CPU.

    Attributes:
        rate: samples a second; known once it is open, as are `name` and `voices`.
    """

    def __init__(self, weights: str, threads: int) -> None:
        what = f"the process of {weights}"
        self._process = SideProcess(what, _work, weights, threads, starts_others=True)
        self._opened = False
        self.rate, self.name = 0, ""
        self.voices: tuple[str, ...] = ()

    @property
    def ready(self) -> bool:
        """Whether it runs, and has said what it is."""
        return self._opened and self._process.running

    def open(self) -> None:
        """Start it, if it does not run; raises SpeechError."""
        if self.ready:
            return
        self._opened = False
        try:
            self._process.start()
            told = self._process.receive(_OPENING)
        except ProcessEnded as error:
            raise SpeechError(str(error)) from None
        if isinstance(told, str):
            raise SpeechError(told)
        self.rate, self.name, self.voices = told
        self._opened = True

    def speak(self, text: Text) -> np.ndarray:
        """Return (samples,) float32 of one sentence, none where there is nothing to speak in it.

        A process that dies meanwhile is started again, and asked once more.

        Raises:
            SpeechError: it cannot be spoken; another sentence may be.
        """
        try:
            answer = self._asked(text)
        except ProcessSilent as error:
            raise SpeechError(str(error)) from None
        except ProcessEnded:
            answer = self._asked_again(text)
        if isinstance(answer, str):
            raise SpeechError(answer)
        return np.asarray(answer)

    def _asked(self, text: Text) -> np.ndarray | str:
        self.open()
        answer: np.ndarray | str = self._process.ask(text, _SPEAKING, start=False)
        return answer

    def _asked_again(self, text: Text) -> np.ndarray | str:
        try:
            return self._asked(text)
        except ProcessEnded as error:
            raise SpeechError(str(error)) from None

    def end(self) -> None:
        """End it for good."""
        self._process.end(for_good=True)


def _work(connection: Connection, weights: str, threads: int) -> None:
    """Open the synthesizer and say what it is, or why not; then answer texts until the pipe closes."""
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    from diar.voices.open import open_synthesizer

    try:
        synthesizer = open_synthesizer(weights, threads=threads)
    except DiarError as error:
        connection.send(str(error))
        return
    connection.send((synthesizer.rate, synthesizer.name, synthesizer.voices))
    try:
        while True:
            connection.send(_answer(synthesizer, connection.recv()))
    except EOFError:
        synthesizer.close()  # the service has ended


def _answer(synthesizer: Synthesizer, text: Text) -> np.ndarray | str:
    """Return samples, none where there is nothing to speak, or why it failed."""
    try:
        (samples,) = synthesizer.speak([text])
    except NothingToSpeakError:
        return np.zeros(0, np.float32)
    except DiarError as error:
        return str(error)
    return samples
