"""A server that speaks OpenAI's protocol for transcriptions: a request a piece, several at once.

`POST {url}/audio/transcriptions` with the piece as WAV, `response_format=verbose_json` and
`timestamp_granularities[]=word` (OpenAI API reference, "Create transcription").
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import soundfile as sf

from diar.asr.addresses import checked_address
from diar.asr.answers import Answer, parse_answer
from diar.asr.recogniser import RATE, Identity, Language
from diar.asr.requests import Server
from diar.records import Word

ENGINE = "openai"
DEFAULT_MODEL = "whisper-1"


@dataclass(frozen=True)
class EndpointSettings:
    """How a server is asked.

    Attributes:
        model: what it is to recognise with.
        key: goes into `Authorization: Bearer`; None = no such header.
        timeout: seconds for one answer.
        concurrent: requests at once.
    """

    model: str = DEFAULT_MODEL
    key: str | None = field(default=None, repr=False)
    timeout: float = 120.0
    concurrent: int = 4


class Endpoint:
    """A server that recognises.

    Args:
        url: up to and with `/v1`.
        settings: how it is asked.

    Raises:
        RecognitionError: the address is none, or the extra is missing.
    """

    def __init__(self, url: str, settings: EndpointSettings) -> None:
        url = checked_address(url)
        self._server = Server(f"{url}/audio/transcriptions", settings.key, settings.timeout)
        self._settings = settings
        self._first: tuple[np.ndarray, Answer] | None = None  # what told the language
        self.languages = None  # the server does not say
        self.identity = Identity(ENGINE, settings.model, None, {"address": url})

    def detect(self, pieces: Sequence[np.ndarray]) -> Language | None:
        """Return the language that the server hears in the longest piece, whose answer is kept."""
        piece = max(pieces, key=len)
        answer = self._ask(piece, None)
        self._first = piece, answer
        return None if answer.language is None else Language(answer.language)

    def recognise(
        self, pieces: Sequence[np.ndarray], language: str | None, overlapped: Sequence[bool] | None = None
    ) -> list[list[Word]]:
        """Return the words of each piece; the piece that told the language is not sent again."""
        first = self._first
        if first is not None and any(piece is first[0] for piece in pieces):
            self._first = None

        def words(piece: np.ndarray) -> list[Word]:
            if first is not None and piece is first[0] and language == first[1].language:
                return first[1].words
            return self._ask(piece, language).words

        with ThreadPoolExecutor(self._settings.concurrent, "endpoint") as threads:
            return list(threads.map(words, pieces))

    def _ask(self, piece: np.ndarray, language: str | None) -> Answer:
        fields: list[tuple[str, Any]] = [
            ("file", ("piece.wav", as_wav(piece), "audio/wav")),
            ("model", self._settings.model),
            ("response_format", "verbose_json"),
            ("timestamp_granularities[]", "word"),
            ("temperature", "0"),
        ]
        if language is not None:
            fields.append(("language", language))
        return parse_answer(self._server.post(fields), len(piece) / RATE, self._server.url)


def as_wav(piece: np.ndarray) -> bytes:
    """Return (n,) float32 as a WAV file of 16 bits."""
    file = io.BytesIO()
    sf.write(file, piece, RATE, format="WAV", subtype="PCM_16")
    return file.getvalue()
