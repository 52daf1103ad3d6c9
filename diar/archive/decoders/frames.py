"""From frames that FFmpeg decoded to samples: the common part of the readers based on FFmpeg."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from types import TracebackType
from typing import NamedTuple

import numpy as np
import soxr
from av.audio.frame import AudioFrame

from diar.archive.audio_file import BLOCK_SAMPLES, RATES, AudioFile, Channels, Note, pick_channel
from diar.archive.audio_tracks import TrackChoice
from diar.archive.decoders.frame_samples import frame_samples
from diar.wording import counted


class Timed(NamedTuple):
    """A decoded frame and its place in time."""

    frame: AudioFrame
    missing: int = 0  # samples at the reader's rate that were lost before it
    first: int = 0  # its samples [first, last) count
    last: int | None = None


class FrameReader:
    """Reads one audio track that FFmpeg decodes; a context manager.

    Attributes:
        rate: Hz, of the first frame; Opus is always 48000.
        channels: of the first frame.
        layout: names of its channels, such as FL, FR, FC, LFE; empty where the file names none.
        track: which audio track, of how many, and why.
        promised: samples that the file's header or index counts, None if that is only a guess.
        begin: samples of silence between the file's start and the start of its audio.
        gaps: [start, stop) in samples of lost audio so far, filled with zeros.
        notes: what was unusual so far, with samples as times.
        replaces: whether a later part that lacks the wanted channel gives its mean instead.
    """

    rate: int
    channels: int
    layout: tuple[str, ...]
    track: TrackChoice
    promised: int | None = None
    begin: int = 0
    replaces: bool = False

    def __init__(self, file: AudioFile) -> None:
        """Open and decode the first frame.

        Raises:
            DecodeError: `undecodable`, `no_audio`, `empty`, `missing`, `unreadable`.
        """
        self.gaps: list[tuple[int, int]] = []
        self.notes: list[Note] = []
        self._file = file
        self._position = 0  # in samples, where the next frame begins
        self._errors = 0
        self._handle = file.open()
        try:
            with file.reading():
                self._frames = self._decode()
                self._take_first(next(self._frames, None))
        except BaseException:
            self._handle.close()
            raise

    def _take_first(self, first: AudioFrame | None) -> None:
        if first is None and self._errors:
            raise self._file.error("undecodable", f"none of its {self._errors} audio packets can be decoded")
        if first is None:
            raise self._file.error("empty", "holds no audio samples")
        self.rate = first.sample_rate
        self.channels = first.layout.nb_channels
        self.layout = tuple(channel.name for channel in first.layout.channels)
        if self.rate not in RATES:
            raise self._file.error("undecodable", f"sample rate {self.rate} Hz cannot be true")
        self._frames = itertools.chain([first], self._frames)

    def __enter__(self) -> FrameReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._handle.close()

    def header_seconds(self) -> float:
        """Return the duration in seconds, for estimates."""
        raise NotImplementedError

    def _decode(self) -> Iterator[AudioFrame]:
        """Yield the frames that can be decoded."""
        raise NotImplementedError

    def _timeline(self) -> Iterator[Timed]:
        """Yield each of `self._frames` in its place; `self._position` is up to date whenever one is taken."""
        raise NotImplementedError

    def blocks(self, start: int, stop: int | None, channel: Channels) -> Iterator[np.ndarray]:
        """Yield samples [start, stop) of `pick_channel`'s choice, in blocks (n,) float32.

        Raises:
            DecodeError: `bad_channel`, if a later part has fewer channels.
        """
        waiting: list[np.ndarray] = []
        count = position = 0
        for piece in self._pieces(channel):
            first, last = max(0, start - position), len(piece) if stop is None else max(0, stop - position)
            position += len(piece)
            if len(piece := piece[first:last]):
                waiting.append(piece)
                count += len(piece)
            if count * self.channels >= BLOCK_SAMPLES:
                yield np.concatenate(waiting)
                waiting, count = [], 0
            if stop is not None and position >= stop:
                break
        if waiting:
            yield np.concatenate(waiting)

    def _pieces(self, channel: Channels) -> Iterator[np.ndarray]:
        """Yield the track from the file's start, with gaps filled, in pieces (n,) float32."""
        yield from self._zeros(self.begin)
        form, resampler = (self.rate, self.channels), None
        for timed in self._timeline():
            frame = timed.frame
            if (frame.sample_rate, frame.layout.nb_channels) != form:  # a chain of streams
                if frame.sample_rate != form[0]:
                    yield from self._flushed(resampler)
                    resampler = self._resampler(frame.sample_rate)
                self._note_change(form, frame)
                form = frame.sample_rate, frame.layout.nb_channels
            if timed.missing:
                yield from self._flushed(resampler)
                resampler = self._resampler(frame.sample_rate)
                self.gaps.append((self._position, self._position + timed.missing))
                yield from self._zeros(timed.missing)
            samples = self._samples(frame, channel)[timed.first : timed.last]
            if resampler is not None:
                samples = resampler.resample_chunk(samples)
            self._position += len(samples)
            yield samples
        yield from self._flushed(resampler)

    def _zeros(self, count: int) -> Iterator[np.ndarray]:
        self._position += count
        for _ in range(count // BLOCK_SAMPLES):
            yield np.zeros(BLOCK_SAMPLES, np.float32)
        yield np.zeros(count % BLOCK_SAMPLES, np.float32)

    def _resampler(self, rate: int) -> soxr.ResampleStream | None:
        """Return a resampler from another rate to that of the first frame, None for the same rate."""
        return None if rate == self.rate else soxr.ResampleStream(rate, self.rate, 1)

    def _flushed(self, resampler: soxr.ResampleStream | None) -> Iterator[np.ndarray]:
        if resampler is not None:
            rest = resampler.resample_chunk(np.empty(0, np.float32), last=True)
            self._position += len(rest)
            yield rest

    def _note_change(self, form: tuple[int, int], frame: AudioFrame) -> None:
        old = f"{form[0]} Hz, {counted(form[1], 'channel')}"
        new = f"{frame.sample_rate} Hz, {counted(frame.layout.nb_channels, 'channel')}"
        self.notes.append(Note("change", self._position, f"the audio changes from {old} to {new}"))

    def _samples(self, frame: AudioFrame, channel: Channels) -> np.ndarray:
        """Return (n,) float32 in ±1 of one frame."""
        channels = frame.layout.nb_channels
        if channel is not None and int(np.max(channel)) >= channels:
            if not self.replaces:
                raise self._file.error(
                    "bad_channel", f"only {counted(channels, 'channel')} in a later part of it"
                )
            channel = None
        return pick_channel(frame_samples(frame), channel)
