"""Samples as the bytes of an audio format, piece by piece; the audio says that it is synthetic."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

ORIGIN = "Synthetic speech, made by diar"
_UNKNOWN = 0xFFFFFFFF  # length of a WAV that is written as it is made
_FULL_SCALE = 32767.0
_OPUS_RATE = 48_000


@dataclass(frozen=True)
class Format:
    """An audio format: what HTTP calls it, and PyAV's container and codec."""

    media_type: str
    container: str = ""
    codec: str = ""


FORMATS = {
    "mp3": Format("audio/mpeg", "mp3", "libmp3lame"),
    "opus": Format("audio/ogg", "ogg", "libopus"),
    "aac": Format("audio/aac", "adts", "aac"),
    "flac": Format("audio/flac", "flac", "flac"),
    "wav": Format("audio/wav"),
    "pcm": Format("audio/pcm"),
}


class Encoder:
    """Encodes one answer.

    Args:
        form: a name in `FORMATS`; `pcm` is 16 bit, little endian, one channel, without a header.
        rate: of the samples.
        by: who made them, for the metadata.
    """

    def __init__(self, form: str, rate: int, by: str) -> None:
        self._form, self._rate = form, rate
        self._said = f"{ORIGIN} with {by}"
        self._begun = False
        self._file = _Pipe()
        self._container: Any = None
        if FORMATS[form].container:
            self._open(FORMATS[form])

    def push(self, samples: np.ndarray) -> bytes:
        """Return the bytes of samples (n,) float32 in ±1, so far as they are complete."""
        pcm = (np.clip(samples, -1, 1) * _FULL_SCALE).astype("<i2")
        if self._container is None:
            head = b"" if self._begun or self._form == "pcm" else wav_header(self._rate, self._said)
            self._begun = True
            return head + pcm.tobytes()
        self._encode(pcm)
        return self._file.taken()

    def finish(self) -> bytes:
        """Return what is left."""
        if self._container is None:
            return b""
        for frame in self._resampler.resample(None):
            self._container.mux(self._stream.encode(frame))
        self._container.mux(self._stream.encode(None))
        self._container.close()
        return self._file.taken()

    def _open(self, form: Format) -> None:
        import av  # takes 0.1 s to import

        self._container = av.open(self._file, "w", format=form.container)
        self._container.metadata["comment"] = self._said
        rate = _OPUS_RATE if form.codec == "libopus" else self._rate
        self._stream = self._container.add_stream(form.codec, rate=rate)
        self._stream.layout = "mono"
        self._resampler = av.AudioResampler(
            self._stream.format, "mono", rate, frame_size=self._stream.codec_context.frame_size or None
        )
        self._frame = av.AudioFrame

    def _encode(self, pcm: np.ndarray) -> None:
        frame = self._frame.from_ndarray(pcm[None], format="s16", layout="mono")
        frame.sample_rate = self._rate
        for own in self._resampler.resample(frame):
            self._container.mux(self._stream.encode(own))


def wav_header(rate: int, said: str) -> bytes:
    """Return the head of a 16-bit WAV of unknown length, with a comment (RIFF INFO, ICMT)."""
    text = said.encode() + b"\0" * (2 - len(said.encode()) % 2)
    comment = b"INFOICMT" + struct.pack("<I", len(text)) + text
    chunks = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, rate, 2 * rate, 2, 16)
    chunks += b"LIST" + struct.pack("<I", len(comment)) + comment
    return b"RIFF" + struct.pack("<I", _UNKNOWN) + b"WAVE" + chunks + b"data" + struct.pack("<I", _UNKNOWN)


class _Pipe(io.RawIOBase):
    """Takes what a container writes; it cannot go back, as a connection cannot."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        return len(self._parts[-1])

    def taken(self) -> bytes:
        """Return what was written since the last call."""
        parts, self._parts = self._parts, []
        return b"".join(parts)
