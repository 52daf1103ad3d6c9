"""Live audio in a container, Opus in WebM or Ogg as browsers record it, decoded as it comes.

FFmpeg reads a container by itself, so it has a thread, which waits when it wants bytes that are not there.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import av
import numpy as np

from diar.online.settings import SAMPLE_RATE
from diar.service.problems import Problem
from diar.service.sessions.opening import MIX

_MOST_READY = 5 * SAMPLE_RATE  # samples that wait to be fetched; then the thread waits, too
_PATIENCE = 10.0  # seconds for the thread to use what it was given


class ContainerDecoder:
    """Decodes one container.

    Args:
        name: `webm` or `ogg`.
        channel: `mix` or a number from 0.
    """

    def __init__(self, name: str, channel: str) -> None:
        self._pipe = _Pipe()
        self._name, self._channel = name, channel
        self._thread = threading.Thread(target=self._decode, name=f"decode {name}", daemon=True)
        self._thread.start()

    def feed(self, data: bytes) -> Iterator[np.ndarray]:
        """See `Decoder`."""
        self._pipe.write(data)
        yield from self._ready()

    def finish(self) -> Iterator[np.ndarray]:
        """See `Decoder`."""
        self._pipe.end()
        yield from self._ready()
        self._thread.join(_PATIENCE)

    def close(self) -> None:
        """See `Decoder`."""
        self._pipe.abandon()

    def _ready(self) -> Iterator[np.ndarray]:
        """Yield samples until the thread has used all bytes."""
        while True:
            samples, more = self._pipe.fetch()
            if len(samples):
                yield samples
            if self._pipe.error is not None:
                raise Problem(
                    "bad_audio", f"this is no {self._name} with audio that can be decoded: {self._pipe.error}"
                )
            if not more:
                return

    def _decode(self) -> None:
        try:
            with av.open(self._pipe, format=self._name, mode="r") as container:
                stream = container.streams.audio[0]
                layout = "mono" if self._channel == MIX else None
                resampler = av.AudioResampler("flt" if layout else "fltp", layout, SAMPLE_RATE)
                for frame in container.decode(stream):
                    self._give(resampler, frame)
                self._give(resampler, None)
        except _Abandoned:
            pass  # nobody waits for the rest
        except (OSError, ValueError, IndexError) as error:  # all of PyAV's are one of these
            self._pipe.error = str(error) or type(error).__name__
        finally:
            self._pipe.ended()

    def _give(self, resampler: Any, frame: Any) -> None:
        for done in resampler.resample(frame):
            samples = done.to_ndarray()  # (1, n), or (channels, n) where one is chosen
            row = 0 if self._channel == MIX else int(self._channel)
            if row >= len(samples):
                raise ValueError(f"it has {len(samples)} channels, and 'channel' is {row}")
            self._pipe.give(np.clip(np.nan_to_num(samples[row]), -1, 1).astype(np.float32))


class _Abandoned(Exception):
    """The session is over."""


class _Pipe:
    """Bytes to the thread and samples from it; `read` is what PyAV calls."""

    def __init__(self) -> None:
        self.error: str | None = None
        self._bytes, self._samples = bytearray(), [np.zeros(0, np.float32)]
        self._count = 0  # of the samples that wait
        self._no_more = self._done = self._hungry = self._abandoned = False
        self._changed = threading.Condition()

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes; wait for some; nothing at the end."""
        with self._changed:
            while not self._bytes and not self._no_more:
                self._check()
                self._hungry = True
                self._changed.notify_all()
                self._changed.wait()
            self._check()
            self._hungry = False
            data = bytes(self._bytes[:size])
            del self._bytes[:size]
            return data

    def give(self, samples: np.ndarray) -> None:
        """Add samples; wait while too many wait already."""
        with self._changed:
            while self._count > _MOST_READY:
                self._check()
                self._changed.notify_all()
                self._changed.wait()
            self._check()
            self._samples.append(samples)
            self._count += len(samples)

    def ended(self) -> None:
        """Say that the thread is done."""
        with self._changed:
            self._done = True
            self._changed.notify_all()

    def write(self, data: bytes) -> None:
        """Add bytes."""
        with self._changed:
            self._bytes += data
            self._hungry = not data and self._hungry
            self._changed.notify_all()

    def end(self) -> None:
        """Say that there are no more bytes."""
        with self._changed:
            self._no_more, self._hungry = True, False
            self._changed.notify_all()

    def abandon(self) -> None:
        """End the thread."""
        with self._changed:
            self._abandoned = True
            self._changed.notify_all()

    def fetch(self) -> tuple[np.ndarray, bool]:
        """Return the samples that wait, once the thread waits or is done, and whether more will follow."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._done or self._hungry or self._count > _MOST_READY, timeout=_PATIENCE
            )
            samples = np.concatenate(self._samples)
            self._samples, full, self._count = [], self._count > _MOST_READY, 0
            self._samples.append(np.zeros(0, np.float32))
            self._changed.notify_all()
            return samples, full

    def _check(self) -> None:
        if self._abandoned:
            raise _Abandoned
