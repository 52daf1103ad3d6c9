"""Cut a recording into the chunks that the trunk sees, and a chunk into sliding windows.

A recording of at most `chunk + 2 × context` seconds is one chunk of its own length. A longer recording
becomes chunks of exactly that length, which fill batches without padding. Each chunk overlaps its neighbours
by the context; the last one is moved back to end with the recording. Every moment is in the core of exactly
one chunk.

For a pipeline of pyannote.audio each seg_window is a chunk of its own (`of_windows`): chunks begin a step
apart, and the last one is filled up with zeros instead of moved back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import tee
from operator import itemgetter

import numpy as np

from diar.records import MIXED


@dataclass(frozen=True)
class ChunkSettings:
    """Lengths in samples, so that cuts are exact."""

    rate: int
    chunk: int  # core of a chunk
    context: int  # audio around the core
    window: int
    hop: int
    filled: bool = False  # the last chunk begins a step after the one before, zeros follow the recording

    @classmethod
    def from_seconds(cls, rate: int, chunk: float, window: float, hop: float) -> ChunkSettings:
        """Return the lengths with a context of a second, or half a window if that is more.

        Every window then fits into its chunk.
        """
        context = max(1.0, window / 2)
        lengths = [round(seconds * rate) for seconds in (chunk, context, window, hop)]
        return cls(rate, lengths[0], lengths[1], lengths[2], lengths[3])

    @classmethod
    def of_windows(cls, rate: int, seg_window: int, step: int, window: float, hop: float) -> ChunkSettings:
        """Return chunks of one seg_window each, `step` samples apart; sliding windows are in seconds.

        Raises:
            ValueError: a sliding window that does not fit.
        """
        context = (seg_window - step) // 2
        lengths = round(window * rate), round(hop * rate)
        if lengths[0] > 2 * context:
            most = 2 * context / rate
            raise ValueError(f"a window of {window:g} s does not fit into seg_windows: at most {most:g} s do")
        return cls(rate, seg_window - 2 * context, context, *lengths, filled=True)

    @property
    def length(self) -> int:
        """Samples of a chunk with its context."""
        return self.chunk + 2 * self.context


@dataclass(frozen=True)
class Chunk:
    """A part of one recording; positions in samples from the recording's start.

    Where channels are read apart, `index` counts the chunks of all channels.
    """

    index: int
    start: int
    samples: np.ndarray  # (n,) float32
    core: tuple[int, int]
    last: bool
    channel: int = MIXED
    filled: int = 0  # zeros at the end of `samples` that are not of the recording

    @property
    def end(self) -> int:
        """First sample of the recording after the chunk."""
        return self.start + len(self.samples) - self.filled


def cut_chunks(blocks: Iterable[np.ndarray], settings: ChunkSettings) -> Iterator[Chunk]:
    """Cut a stream of sample blocks (n,) into chunks; at most two chunks and a block are in memory."""
    length, step = settings.length, settings.chunk
    buffer, start, index = np.empty(0, np.float32), 0, 0
    tail = buffer  # what came before the buffer: the last chunk may begin there
    for block in blocks:
        buffer = np.concatenate([buffer, block])
        while len(buffer) > length:  # more follows, so this chunk is not the last
            core = (0 if index == 0 else start + settings.context, start + length - settings.context)
            yield Chunk(index, start, buffer[:length], core, last=False)
            tail = buffer[:step]
            buffer, start, index = buffer[step:], start + step, index + 1
    if settings.filled:
        if len(buffer):
            yield _filled(index, start, buffer, settings)
        return
    if index == 0:
        if len(buffer):
            yield Chunk(0, 0, buffer, (0, len(buffer)), last=True)
        return
    missing = length - len(buffer)
    samples = np.concatenate([tail[len(tail) - missing :], buffer])
    yield Chunk(index, start - missing, samples, (start + settings.context, start + len(buffer)), last=True)


def _filled(index: int, start: int, buffer: np.ndarray, settings: ChunkSettings) -> Chunk:
    """Return the last chunk, with zeros up to its length."""
    missing = settings.length - len(buffer)
    core = (0 if index == 0 else start + settings.context, start + len(buffer))
    return Chunk(index, start, np.pad(buffer, (0, missing)), core, last=True, filled=missing)


def cut_channels(
    blocks: Iterable[np.ndarray], numbers: Sequence[int], settings: ChunkSettings
) -> Iterator[Chunk]:
    """Cut blocks (signals, n) in step; signal i is the channel `numbers[i]`."""
    copies = tee(blocks, len(numbers))
    cut = [cut_chunks(map(itemgetter(i), copy), settings) for i, copy in enumerate(copies)]
    for together in zip(*cut, strict=True):
        for i, chunk in enumerate(together):
            yield replace(chunk, index=chunk.index * len(numbers) + i, channel=numbers[i])


def windows_of(chunk: Chunk, settings: ChunkSettings) -> list[tuple[int, int]]:
    """Return the sliding windows [start, end), in samples, whose centre is in the chunk's core.

    One starts every hop. If the last one leaves a remainder, one more ends with the recording.
    A recording shorter than a window is one window.
    """
    window, hop = settings.window, settings.hop
    if chunk.last and chunk.end <= window:
        return [(0, chunk.end)]
    low, high = chunk.core
    first = max(0, -(-(2 * low - window) // (2 * hop)))  # smallest k with centre k·hop + window/2 ≥ low
    found = []
    for start in range(first * hop, high, hop):
        if 2 * start + window >= 2 * high and not chunk.last:
            break
        if start + window > chunk.end:
            break
        found.append((start, start + window))
    if chunk.last:
        regular_end = (chunk.end - window) // hop * hop + window
        if regular_end < chunk.end:
            found.append((chunk.end - window, chunk.end))
    return found
