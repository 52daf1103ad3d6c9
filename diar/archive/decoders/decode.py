"""Decode a recording to mono float32 at the wanted rate, block by block or as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import numpy as np
import soxr

from diar.archive.audio_file import AudioFile, Channels, DecodeError
from diar.archive.audio_tracks import AUTO, only_track
from diar.archive.decoders.frames import FrameReader
from diar.archive.decoders.pyav import JUMP, PyavReader
from diar.archive.decoders.raw import open_by_ffmpeg
from diar.archive.decoders.soundfile import SUFFIXES, SoundfileReader
from diar.archive.recording import Recording

__all__ = [
    "Audio",
    "AudioStream",
    "DecodeError",
    "Reader",
    "decode",
    "decoded_in_blocks",
    "open_audio",
    "open_reader",
    "probe_seconds",
]

Reader = SoundfileReader | FrameReader

_MERGED = 0.01  # seconds; gaps closer than this are one
_LINES = 5  # warnings of one kind


@dataclass(frozen=True)
class Audio:
    """A decoded recording.

    Attributes:
        samples: (n,) float32, mono, full scale = ±1.
        rate: Hz of `samples`.
        source_rate: Hz of the file.
        channels: of the file.
        gaps: (start, end) seconds from the recording's start. They hold zeros because the file is damaged
            there or its samples are not finite. If the end of the file is missing (the header counts more
            samples than the file holds), the last gap begins where `samples` end; it is not filled.
    """

    samples: np.ndarray
    rate: int
    source_rate: int
    channels: int
    gaps: list[tuple[float, float]]


class AudioStream:
    """A recording that is being decoded: iterate once over its blocks, (n,) float32 mono at the wanted rate.

    Memory does not depend on the recording's length. Iterating raises DecodeError (`empty`, `undecodable`) if
    there is no usable sample.

    Attributes:
        rate: Hz wanted.
        source_rate: Hz of the file.
        channels: of the file.
        audio_start: seconds on the file's own clock at which its audio begins; zeros come before it.
        audio_track: number of the audio track that is read, from 0.
        audio_tracks: number of audio tracks in the file.
        warnings: what is unusual so far, in words; complete after the last block.
    """

    def __init__(
        self,
        file: AudioFile,
        reader: Reader,
        recording: Recording,
        rate: int,
        channel: Channels,
    ) -> None:
        if channel is not None and int(np.max(channel)) >= reader.channels:
            raise file.error(
                "bad_channel", f"channel {channel} asked for, but it has {reader.channels} (numbered from 0)"
            )
        self.rate = rate
        self.source_rate = reader.rate
        self.channels = reader.channels
        self.audio_start = reader.begin / reader.rate
        self.audio_track = reader.track.number
        self.audio_tracks = reader.track.count
        self.warnings: list[str] = [reader.track.note] if reader.track.note else []
        self._file = file
        self._reader = reader
        self._channel = channel
        self._start = round(recording.offset * reader.rate)
        length = None if recording.duration is None else round(recording.duration * reader.rate)
        self._stop = None if length is None else self._start + length
        self._gaps: list[tuple[int, int]] = []  # samples of the file
        self._ended = self._start  # sample at which the readable part ends

    @property
    def gaps(self) -> list[tuple[float, float]]:
        """Gaps in the blocks so far, as in `Audio`; complete after the last block."""
        merged: list[list[int]] = []
        for start, stop in sorted([*self._gaps, *self._reader.gaps]):
            start = max(start, self._start)
            stop = stop if self._stop is None else min(stop, self._stop)
            if merged and start - merged[-1][1] < _MERGED * self.source_rate:
                merged[-1][1] = max(stop, merged[-1][1])
            elif start < stop:
                merged.append([start, stop])
        origin, rate = self._start, self.source_rate
        return [((start - origin) / rate, (stop - origin) / rate) for start, stop in merged]

    def share(self, samples: int) -> float:
        """Return the share of the recording, 0…1, that `samples` at the wanted rate are; 0 if not known."""
        expected = (self._until(self._reader.promised) - self._start) * self.rate / self.source_rate
        return min(1.0, samples / expected) if expected > 0 else 0.0

    def __iter__(self) -> Iterator[np.ndarray]:
        with self._file.reading():
            yield from self._finite_blocks() if self.source_rate == self.rate else self._resampled()
        self.warnings += self._unusual()

    def _resampled(self) -> Iterator[np.ndarray]:
        resampler = soxr.ResampleStream(self.source_rate, self.rate, 1, dtype="float32")
        for block in self._finite_blocks():
            yield from _unless_empty(resampler.resample_chunk(block))
        yield from _unless_empty(resampler.resample_chunk(np.empty(0, np.float32), last=True))

    def _finite_blocks(self) -> Iterator[np.ndarray]:
        """Yield blocks at the file's rate, with zeros for samples that are not finite."""
        position, usable = self._start, False
        for block in self._whole_blocks():
            finite = np.isfinite(block)
            if not finite.all():
                self._gaps.extend((position + a, position + b) for a, b in _spans(~finite))
                block = np.where(finite, block, np.float32(0.0))
            usable = usable or bool(finite.any())
            position += len(block)
            yield block
        if position == self._start:
            offset = f" from {self._start / self.source_rate:.2f} s on" if self._start else ""
            raise self._file.error("empty", f"holds no audio samples{offset}")
        if not usable:
            raise self._file.error("undecodable", "none of its samples is finite (all NaN or infinite)")

    def _whole_blocks(self) -> Iterator[np.ndarray]:
        """Yield blocks at the file's rate; where libsndfile stops at damage, FFmpeg goes on if it can."""
        position = self._start
        for block in self._reader.blocks(self._start, self._stop, self._channel):
            position += len(block)
            yield block
        if isinstance(self._reader, SoundfileReader) and self._continues(self._reader, position):
            for block in self._tolerant_blocks(position):
                position += len(block)
                yield block
        self._ended = position
        end = self._until(self._reader.promised)
        if end - position > JUMP * self.source_rate:
            self._gaps.append((position, end))

    def _unusual(self) -> list[str]:
        """Return the reader's notes and the gaps in words, with times from the recording's start."""
        found: dict[str, list[str]] = {}
        for note in self._reader.notes:
            after_end = self._stop is not None and note.at is not None and note.at >= self._stop
            if note.at is None or (note.at >= self._start and not after_end):
                where = "" if note.at is None else f"at {(note.at - self._start) / self.source_rate:.2f} s: "
                found.setdefault(note.kind, []).append(where + note.text)
        end = (self._ended - self._start) / self.source_rate
        for start, stop in self.gaps:
            missing = start >= end - _MERGED
            what = (
                "the end of the file is missing"
                if missing
                else "nothing that can be decoded, filled with zeros"
            )
            found.setdefault("gap", []).append(f"{start:.2f}–{stop:.2f} s: {what}")
        if self.audio_start > JUMP and self._start < self._reader.begin:
            text = f"the audio begins {self.audio_start:.2f} s after the file's start: silence before it"
            found.setdefault("clock", []).append(text)
        return [line for lines in found.values() for line in _bounded(lines)]

    def _until(self, count: int | None) -> int:
        """Return the end of the wanted part in a file of `count` samples; 0 if there is no count."""
        return 0 if count is None else count if self._stop is None else min(count, self._stop)

    def _continues(self, reader: SoundfileReader, position: int) -> bool:
        """Return whether the recording goes on after `position`, where libsndfile ended."""
        wanted = self._stop is None or position < self._stop
        return position < self._until(reader.held) or (wanted and reader.more_follows())

    def _tolerant_blocks(self, start: int) -> Iterator[np.ndarray]:
        try:
            tolerant = PyavReader(self._file, str(self.audio_track))
        except DecodeError:
            if start == self._start:
                raise
            return  # libsndfile has read all that can be read
        with tolerant:
            yield from tolerant.blocks(start, self._stop, self._channel)
            self._gaps.extend((max(a, start), b) for a, b in tolerant.gaps if b > start)


def decoded_in_blocks(url: str) -> bool:
    """Return whether a file, judged by its name, is decoded in large blocks, not packet by packet."""
    return url.lower().endswith(SUFFIXES)


def open_reader(file: AudioFile, track: str = AUTO) -> Reader:
    """Open the decoder for a file; arguments and errors as for `choose_track`."""
    with file.reading():
        reader = SoundfileReader.try_open(file)
        if reader is None:
            return open_by_ffmpeg(file, track)
    with ExitStack() as opened:
        opened.enter_context(reader)
        reader.track = only_track(file, track)
        opened.pop_all()
        return reader


@contextmanager
def open_audio(
    recording: Recording, rate: int, channel: str = "mix", track: str = AUTO
) -> Iterator[AudioStream]:
    """Open one signal of a recording for decoding block by block; `open_channels` opens several.

    Args:
        recording: a file or a part of one.
        rate: Hz wanted.
        channel: `mix` (mean of all channels) or a channel's number, `0` = first.
        track: `auto`, the number of an audio track, or a language tag.

    Raises:
        DecodeError: see there for its kinds; iterating may raise it, too.
    """
    file = AudioFile.find(recording.url)
    with open_reader(file, track) as reader:
        yield AudioStream(file, reader, recording, rate, None if channel == "mix" else int(channel))


def decode(recording: Recording, rate: int, channel: str = "mix", track: str = AUTO) -> Audio:
    """Decode a whole recording; arguments and errors as for `open_audio`."""
    with open_audio(recording, rate, channel, track) as stream:
        samples = np.concatenate([np.empty(0, np.float32), *stream])
        return Audio(samples, rate, stream.source_rate, stream.channels, stream.gaps)


def probe_seconds(recording: Recording) -> float:
    """Return the seconds by the list or the file's header, without decoding, for estimates only.

    Raises:
        DecodeError: as for `open_audio`.
    """
    if recording.duration is not None:
        return recording.duration
    file = AudioFile.find(recording.url)
    with open_reader(file, "0") as reader:  # which track does not matter
        return max(0.0, reader.header_seconds() - recording.offset)


def _unless_empty(block: np.ndarray) -> Iterator[np.ndarray]:
    if len(block):
        yield block


def _bounded(lines: list[str]) -> list[str]:
    more = len(lines) - _LINES
    return lines if more <= 0 else [*lines[:_LINES], f"… and {more} more like the last"]


def _spans(mask: np.ndarray) -> list[tuple[int, int]]:
    """Return [start, stop) of each run of True."""
    edges = np.flatnonzero(np.diff(mask, prepend=False, append=False))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
