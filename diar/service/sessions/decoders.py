"""Bytes of live audio → samples at 16 kHz, mono."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
import soxr

from diar.online.settings import SAMPLE_RATE
from diar.service.problems import Problem
from diar.service.sessions.opening import MIX, Opening

LOUDEST = 64.0  # of float samples, where 1 is full scale; beyond are no samples but other bytes
_PIECE = 5 * SAMPLE_RATE  # most samples given at once


class Decoder(Protocol):
    """Takes bytes as they come."""

    def feed(self, data: bytes) -> Iterator[np.ndarray]:
        """Yield samples (n,) float32 in pieces of at most 5 s; raises Problem `bad_audio`."""

    def finish(self) -> Iterator[np.ndarray]:
        """Yield what is left; nothing can be fed afterwards."""

    def close(self) -> None:
        """Let go of everything, without what is left."""


def open_decoder(opening: Opening) -> Decoder:
    """Return what decodes the audio that a session announced."""
    if opening.contained:
        from diar.service.sessions.containers import ContainerDecoder  # PyAV takes a while to load

        return ContainerDecoder(opening.format, opening.channel)
    return PcmDecoder(opening)


class PcmDecoder:
    """Samples as they are: 16 bit or float, interleaved channels."""

    def __init__(self, opening: Opening) -> None:
        self._type = np.dtype("<i2" if opening.format == "pcm_s16le" else "<f4")
        self._channels, self._channel = opening.channels, opening.channel
        self._left = b""  # less than a moment of all channels
        rate = opening.sample_rate
        self._resampler = (
            None if rate == SAMPLE_RATE else soxr.ResampleStream(rate, SAMPLE_RATE, 1, "float32")
        )

    def feed(self, data: bytes) -> Iterator[np.ndarray]:
        """See `Decoder`."""
        data = self._left + data
        whole = len(data) - len(data) % (self._type.itemsize * self._channels)
        self._left = data[whole:]
        mono = self._mono(np.frombuffer(data[:whole], self._type).reshape(-1, self._channels))
        for start in range(0, len(mono), _PIECE):
            yield self._resampled(mono[start : start + _PIECE], last=False)

    def finish(self) -> Iterator[np.ndarray]:
        """See `Decoder`; half a sample at the end is dropped."""
        if self._resampler is not None:
            yield self._resampled(np.zeros(0, np.float32), last=True)

    def close(self) -> None:
        """See `Decoder`."""

    def _mono(self, samples: np.ndarray) -> np.ndarray:
        """Return (n,) float32 of samples (n, channels)."""
        if self._type.kind == "i":
            values = samples.astype(np.float32) / 32_768
        else:
            values = checked_samples(samples)
        return (
            values.mean(axis=1)
            if self._channel == MIX
            else np.ascontiguousarray(values[:, int(self._channel)])
        )

    def _resampled(self, samples: np.ndarray, last: bool) -> np.ndarray:
        if self._resampler is None:
            return samples
        resampled: np.ndarray = self._resampler.resample_chunk(samples, last=last)
        return resampled


def checked_samples(samples: np.ndarray) -> np.ndarray:
    """Return float samples clipped to ±1; raises Problem `bad_audio` where they cannot be samples."""
    if not np.isfinite(samples).all():
        raise Problem("bad_audio", "the audio holds values that are not finite (NaN or infinity)")
    if samples.size and np.abs(samples).max() > LOUDEST:
        raise Problem(
            "bad_audio", f"the audio holds values above {LOUDEST:g}, full scale is 1: another format?"
        )
    return np.clip(samples, -1, 1)
