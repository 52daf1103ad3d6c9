"""What a synthesizer is: text in, samples out, by voices that have names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from diar.errors import DiarError

_CONTROLS = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]"
)  # NUL ends a text for espeak-ng, and 1 begins a command to it


class SynthesisError(DiarError):
    """A synthesizer that cannot be had, a voice that it does not have, or a text that it cannot speak."""


class NothingToSpeakError(SynthesisError):
    """A text in which there is no sound, such as one of dashes."""


@dataclass(frozen=True)
class Text:
    """What is to be spoken.

    Attributes:
        text: with punctuation, which decides pauses and melody.
        voice: a name among the synthesizer's `voices`.
        speed: multiple of the voice's own rate, 0.5 to 2.
    """

    text: str
    voice: str
    speed: float = 1.0


class Synthesizer(Protocol):
    """An engine of speech synthesis.

    Attributes:
        name: of the engine and its weights, as it stands in what is made with them.
        licence: of the weights, or of the program; empty where a server does not tell.
        rate: samples a second of what it speaks.
        voices: names.
        apart: those of them that a speaker encoder keeps apart; empty where that was not measured.
    """

    name: str
    licence: str
    rate: int
    voices: tuple[str, ...]
    apart: tuple[str, ...]

    def speak(self, texts: Sequence[Text]) -> Iterator[np.ndarray]:
        """Yield (samples,) float32 in ±1 of each text, in order.

        Raises:
            NothingToSpeakError: a text without anything to speak.
            SynthesisError: a voice that is unknown, an engine that failed.
        """

    def close(self) -> None:
        """End what it has started."""


def checked_texts(texts: Sequence[Text], voices: Sequence[str]) -> list[Text]:
    """Return texts as engines take them, with blanks for control characters; refuse what none can speak.

    Raises:
        NothingToSpeakError: an empty text.
        SynthesisError: an unknown voice, halves of characters, a speed out of range.
    """
    for one in texts:
        if one.voice not in voices:
            raise SynthesisError(f"`voice={one.voice}` is unknown; there are {', '.join(voices)}")
        if not _CONTROLS.sub(" ", one.text).strip():
            raise NothingToSpeakError("an empty text cannot be spoken")
        if any("\ud800" <= letter <= "\udfff" for letter in one.text):
            raise SynthesisError("a text with halves of characters (surrogates) cannot be spoken")
        if not 0.5 <= one.speed <= 2:
            raise SynthesisError(f"`speed={one.speed:g}`: 0.5 to 2 are possible")
    return [replace(one, text=_CONTROLS.sub(" ", one.text)) for one in texts]
