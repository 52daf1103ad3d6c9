"""What a synthesizer is: text in, samples out, by voices that have names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from diar.errors import DiarError


class SynthesisError(DiarError):
    """A synthesizer that cannot be had, a voice that it does not have, or a text that it cannot speak."""


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
            SynthesisError: a voice that is unknown, a text without anything to speak, an engine that failed.
        """

    def close(self) -> None:
        """End what it has started."""


def check_texts(texts: Sequence[Text], voices: Sequence[str]) -> None:
    """Refuse what no engine can speak.

    Raises:
        SynthesisError: an unknown voice, an empty text, a speed out of range.
    """
    for one in texts:
        if one.voice not in voices:
            raise SynthesisError(f"`voice={one.voice}` is unknown; there are {', '.join(voices)}")
        if not one.text.strip():
            raise SynthesisError("an empty text cannot be spoken")
        if not 0.5 <= one.speed <= 2:
            raise SynthesisError(f"`speed={one.speed:g}`: 0.5 to 2 are possible")
