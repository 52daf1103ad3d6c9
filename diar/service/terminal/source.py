"""What `diar live` sends: a file at the pace of a clock, or raw samples from stdin as they come."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any, BinaryIO

import numpy as np
import soundfile as sf

from diar.errors import DiarError

BLOCK = 0.1  # seconds


async def play(samples: np.ndarray, rate: int, pace: float) -> AsyncIterator[bytes]:
    """Yield samples (n,) as 16 bit, in blocks of 0.1 s, at `pace` times real time; 0 = without waiting."""
    start, size = time.monotonic(), round(BLOCK * rate)
    for place in range(0, len(samples), size):
        if pace > 0:
            due = start + min(place + size, len(samples)) / rate / pace
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        yield as_pcm(samples[place : place + size])


async def raw(stream: BinaryIO, rate: int, channels: int) -> AsyncIterator[bytes]:
    """Yield what comes on a stream, at most 0.1 s at once."""
    size = round(BLOCK * rate) * 2 * channels
    while block := await asyncio.to_thread(stream.read1, size):  # type: ignore[attr-defined]
        yield block


def as_pcm(samples: np.ndarray) -> bytes:
    """Return samples in ±1 as 16 bit, little endian."""
    return (np.clip(samples, -1, 1) * 32_767).round().astype("<i2").tobytes()


def read_file(path: str) -> tuple[np.ndarray, int]:
    """Return a file's first audio track as mono (n,) float32, and its rate.

    Raises:
        DiarError: it cannot be read.
    """
    try:
        samples, rate = sf.read(path, dtype="float32", always_2d=True)
        if rate in range(8_000, 48_001):
            return samples.mean(axis=1), rate
    except sf.LibsndfileError:
        pass  # no format of its own: FFmpeg may know it
    import av

    try:
        with av.open(path) as container:
            pieces = list(_decoded(container))
    except (OSError, ValueError, IndexError) as error:  # all of PyAV's are one of these
        raise DiarError(f"{path} cannot be read: {error}") from None
    return np.concatenate([*pieces, np.zeros(0, np.float32)]), 16_000


def _decoded(container: Any) -> Iterator[np.ndarray]:
    import av

    resampler = av.AudioResampler("flt", "mono", 16_000)
    for frame in [*container.decode(audio=0), None]:
        for piece in resampler.resample(frame):
            yield piece.to_ndarray()[0]
