"""Text to phonemes by espeak-ng, as Kokoro was trained on: IPA with stress, punctuation kept.

The library is under the GPL and has global state: it runs in a process of its own, which only exchanges
texts with ours. Interface: speak_lib.h of espeak-ng.
"""

from __future__ import annotations

import contextlib
import ctypes
import re
from multiprocessing.connection import Connection

from diar.demo.espeak import Espeak, installed
from diar.spawning import ProcessEnded, SideProcess
from diar.voices.synthesizer import SynthesisError

_IPA = 2  # phonememode of espeak_TextToPhonemes
_CHARS_UTF8 = 1
_PATIENCE = 60.0  # seconds for a text
# What Kokoro knows as punctuation, where it ends a word: not the points of 3.5 or U.S.A.
_MARKS = re.compile(r"(\s*[;:,.!?…]+(?=[\"”)]*(?:\s|$))\s*|\s*[—“”\"()]\s*)")


class Phonemizer:
    """The process that reads texts, started with the first."""

    def __init__(self) -> None:
        self._process = SideProcess("the process that runs espeak-ng", _work, *installed())

    def close(self) -> None:
        """End the process."""
        self._process.end()

    def __call__(self, text: str, language: str) -> str:
        """Return the phonemes of a text in IPA, with its punctuation.

        Args:
            text: at most some thousand characters.
            language: of an espeak-ng voice, such as en-us.

        Raises:
            SynthesisError: espeak-ng does not know the language, or it crashed.
        """
        parts = _MARKS.split(text.strip())
        said = [part for part in parts[::2] if part.strip()]
        try:
            answer = self._process.ask((language, said), _PATIENCE)
        except ProcessEnded as error:
            raise SynthesisError(str(error)) from None
        if answer is None:
            raise SynthesisError(f"`language={language}`: espeak-ng has no such voice")
        spoken = iter(answer)
        parts[::2] = [next(spoken) if part.strip() else "" for part in parts[::2]]
        return " ".join("".join(parts).split())


def _work(connection: Connection, library: str, data: str) -> None:
    """Answer texts with their phonemes, or with None for an unknown language, until the pipe closes."""
    engine = _engine(library, data)
    with contextlib.suppress(EOFError, KeyboardInterrupt):
        while True:
            language, texts = connection.recv()
            known = engine.espeak_SetVoiceByName(language.encode()) == 0
            connection.send([" ".join(_clauses(engine, text)) for text in texts] if known else None)


def _clauses(engine: ctypes.CDLL, text: str) -> list[str]:
    content = ctypes.create_string_buffer(text.encode())
    rest = ctypes.c_char_p(ctypes.addressof(content))
    clauses = []
    while rest.value is not None:  # it becomes null behind the last clause
        told = engine.espeak_TextToPhonemes(ctypes.byref(rest), _CHARS_UTF8, _IPA)
        clauses.append(told.decode("utf-8").strip())
    return clauses


def _engine(library: str, data: str) -> ctypes.CDLL:
    engine = Espeak(library, data).library
    engine.espeak_TextToPhonemes.restype = ctypes.c_char_p
    engine.espeak_TextToPhonemes.argtypes = [ctypes.POINTER(ctypes.c_char_p), ctypes.c_int, ctypes.c_int]
    return engine
