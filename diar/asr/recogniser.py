"""What a recogniser is, and opening one by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from diar.asr.errors import RecognitionError
from diar.records import Word

RATE = 16_000  # Hz of the samples that all recognisers take


@dataclass(frozen=True)
class Identity:
    """Which recogniser heard the words."""

    engine: str
    model: str
    sha256: str | None = None  # of the weights
    settings: dict[str, Any] = field(default_factory=dict)  # that affect words


@dataclass(frozen=True)
class Language:
    """A language and how sure it is."""

    code: str  # ISO 639-1
    probability: float | None = None  # None where it was given


class Recogniser(Protocol):
    """Hears words in pieces of speech. The same pieces give the same words.

    Attributes:
        identity: which one it is.
    """

    identity: Identity

    @property
    def languages(self) -> frozenset[str] | None:
        """Codes of the languages that it knows; None: it does not say."""

    def detect(self, pieces: Sequence[np.ndarray]) -> Language | None:
        """Return the language of a recording by its first pieces, (n,) float32 each; None: cannot tell."""

    def recognise(
        self, pieces: Sequence[np.ndarray], language: str | None, overlapped: Sequence[bool] | None = None
    ) -> list[list[Word]]:
        """Return the words of each piece, (n,) float32 at 16 kHz; times in seconds from the piece's start.

        Args:
            pieces: to recognise.
            language: that is spoken; None = found.
            overlapped: in which of them people speak at once, for a recogniser that hears those otherwise;
                None = not known.

        Raises:
            RecognitionError: it cannot be done.
        """


def check_language(language: str | None, known: frozenset[str] | None, model: str) -> None:
    """Raise RecognitionError for a language that a recogniser does not know.

    Args:
        language: code; None: none was asked for.
        known: `Recogniser.languages`.
        model: the recogniser's name.
    """
    if language is None or known is None or language in known:
        return
    raise RecognitionError(
        f"`language={language}`: {model} knows {', '.join(sorted(known))}; "
        "leave it out, or take another recogniser"
    )
