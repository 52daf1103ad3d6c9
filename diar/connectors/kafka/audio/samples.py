"""Samples of messages → samples at 16 kHz, mono; they go on exactly where another worker stopped."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import soxr

from diar.connectors.kafka.errors import PoisonError
from diar.online.settings import SAMPLE_RATE

_TYPES = {"pcm_s16le": "<i2", "pcm_f32le": "<f4"}
_TAIL = 0.25  # seconds of input that a resampler needs to go on as if it had heard all
_LOUDEST = 64.0  # of float samples, where 1 is full scale; beyond are other bytes
_RATES, _CHANNELS = range(8_000, 48_001), range(1, 65)


@dataclass(frozen=True)
class Form:
    """How samples are written."""

    format: str
    rate: int
    channels: int

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> Form:
        """Return the form that a message's headers tell; raises PoisonError `schema`."""
        rate, channels = int(headers["rate"]), int(headers["channels"])
        if rate not in _RATES or channels not in _CHANNELS:
            raise PoisonError("schema", f"rate {rate} or channels {channels} is out of range")
        return cls(headers["format"], rate, channels)

    def to_dict(self) -> dict[str, Any]:
        """Return it as headers have it."""
        return asdict(self)

    @property
    def frame_bytes(self) -> int:
        """Bytes of one moment of all channels."""
        return np.dtype(_TYPES[self.format]).itemsize * self.channels

    def mono(self, data: bytes) -> np.ndarray:
        """Return (n,) float32, the mean of the channels; raises PoisonError `audio`."""
        if len(data) % self.frame_bytes:
            raise PoisonError("audio", f"{len(data)} bytes are no whole number of samples of {self}")
        samples = np.frombuffer(data, _TYPES[self.format]).reshape(-1, self.channels)
        if self.format == "pcm_s16le":
            return (samples.astype(np.float32) / 32_768).mean(axis=1)
        if not np.isfinite(samples).all() or (samples.size and np.abs(samples).max() > _LOUDEST):
            raise PoisonError("audio", f"values that are not finite, or above {_LOUDEST:g}: another format?")
        mixed: np.ndarray = np.clip(samples, -1, 1).mean(axis=1)
        return mixed


class Samples:
    """The samples of one stream.

    Args:
        form: of what comes.
        count: samples that came before, of each channel.
        made: samples at 16 kHz that were returned for them.
        tail: the last of them, as `tail` returned.

    Attributes:
        count: samples that came so far.
        made: samples at 16 kHz that were returned so far.
    """

    def __init__(self, form: Form, count: int = 0, made: int = 0, tail: bytes = b"") -> None:
        self.form, self.count, self.made = form, count, made
        self._kept = np.frombuffer(tail, np.float32)
        self._skip = 0  # samples that a new resampler returns again
        self._ready = np.zeros(0, np.float32)  # that a new resampler returns before anything has come
        self._resampler = None
        if form.rate != SAMPLE_RATE:
            self._resampler = soxr.ResampleStream(form.rate, SAMPLE_RATE, 1, "float32")
            begin = (count - len(self._kept)) * SAMPLE_RATE // form.rate
            self._skip = made - begin
            self._ready = self._heard(self._kept)

    @property
    def tail(self) -> bytes:
        """Return the last samples, for a resampler that goes on."""
        return self._kept.tobytes()

    def take(self, data: bytes) -> np.ndarray:
        """Return (n,) float32 at 16 kHz of a message's bytes; raises PoisonError `audio`."""
        return self._add(self.form.mono(data))

    def silence(self, count: int) -> np.ndarray:
        """Return what `take` would of so many zeros."""
        return self._add(np.zeros(count, np.float32))

    def finish(self) -> np.ndarray:
        """Return what the resampler still holds; nothing comes afterwards."""
        return self._add(np.zeros(0, np.float32), last=True)

    def _add(self, mono: np.ndarray, last: bool = False) -> np.ndarray:
        self.count += len(mono)
        ready = mono
        if self._resampler is not None:
            ready = np.concatenate([self._ready, self._heard(mono, last)])
            self._ready = self._ready[:0]
            self._keep(mono)
        self.made += len(ready)
        return ready

    def _heard(self, mono: np.ndarray, last: bool = False) -> np.ndarray:
        """Return what the resampler makes of samples, without what was returned before."""
        assert self._resampler is not None
        heard: np.ndarray = self._resampler.resample_chunk(mono, last=last)
        again = min(self._skip, len(heard))
        self._skip -= again
        return heard[again:]

    def _keep(self, mono: np.ndarray) -> None:
        """Keep a tail that begins where a sample of 16 kHz lies on one of the stream's own."""
        joined = np.concatenate([self._kept, mono])
        first, step = self.count - len(joined), self.form.rate // math.gcd(self.form.rate, SAMPLE_RATE)
        wanted = max(0, self.count - round(_TAIL * self.form.rate))
        wanted -= wanted % step
        self._kept = joined[max(0, wanted - first) :]
