"""A server that speaks OpenAI's protocol: POST /v1/audio/speech, WAV back."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import soundfile as sf
import soxr

from diar.extras import require
from diar.voices.synthesizer import SynthesisError, Text, checked_texts

KEY_VARIABLE = "DIAR_VOICES_KEY"
_TIMEOUT = 120.0  # seconds for one text
_LARGEST = 200 * 2**20  # bytes of an answer
_BUSY = (408, 425, 429, 500, 502, 503, 504)
_TOLD = 300  # letters of what a server says of an error


class SpeechEndpoint:
    """A server's voices; texts are sent one after the other.

    Args:
        url: http or https, up to and with /v1.
        model: the server's name of it.
        voices: the server's names, which the protocol has no way to ask for.
        rate: samples a second that its answers are brought to.

    Raises:
        SynthesisError: urllib3 is missing.
    """

    licence = ""
    apart: tuple[str, ...] = ()

    def __init__(self, url: str, model: str, voices: Sequence[str], rate: int = 24_000) -> None:
        self._urllib3 = require("urllib3", "endpoint", "a server of voices", SynthesisError)
        self.name = f"{model} at {url}"
        self.rate, self.voices = rate, tuple(voices)
        self._url, self._model = f"{url.rstrip('/')}/audio/speech", model
        retry = self._urllib3.Retry(
            5,
            redirect=False,
            allowed_methods=None,
            status_forcelist=_BUSY,
            backoff_factor=0.5,
            raise_on_status=False,
        )
        key = os.environ.get(KEY_VARIABLE, "")
        headers = {"User-Agent": "diar"} | ({"Authorization": f"Bearer {key}"} if key else {})
        self._pool = self._urllib3.PoolManager(retries=retry, timeout=_TIMEOUT, headers=headers)

    def speak(self, texts: Sequence[Text]) -> Iterator[np.ndarray]:
        """Yield (samples,) float32 of each text; see `Synthesizer`."""
        for one in checked_texts(texts, self.voices):
            body = {"model": self._model, "voice": one.voice, "input": one.text}
            samples = self._decoded(self._post({**body, "response_format": "wav", "speed": one.speed}))
            if not np.abs(samples).max(initial=0) > 0:  # NaN is not
                raise SynthesisError(f"{self._url} answers with silence for {one.text!r}")
            yield samples

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()

    def _post(self, body: dict[str, Any]) -> bytes:
        headers = {**self._pool.headers, "Content-Type": "application/json"}
        content = json.dumps(body).encode()
        try:
            answer = self._pool.request(
                "POST", self._url, body=content, headers=headers, preload_content=False
            )
            data: bytes = answer.read(_LARGEST + 1)
            answer.release_conn()
        except self._urllib3.exceptions.HTTPError as error:
            raise SynthesisError(f"{self._url} gives no answer: {error}") from None
        if len(data) > _LARGEST:
            raise SynthesisError(f"{self._url} answers with more than {_LARGEST // 2**20} MiB")
        if answer.status != 200:
            told = " ".join(data[:_TOLD].decode("utf-8", "replace").split())
            raise SynthesisError(f"{self._url} answers {answer.status}: {told}")
        return data

    def _decoded(self, content: bytes) -> np.ndarray:
        try:
            samples, rate = sf.read(io.BytesIO(content), dtype="float32", always_2d=True)
        except sf.LibsndfileError as error:
            raise SynthesisError(f"{self._url} does not answer with audio: {error}") from None
        return np.asarray(soxr.resample(samples.mean(axis=1), rate, self.rate, "HQ"))
