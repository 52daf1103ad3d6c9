"""Each speaker's audio, cut out of the recording: a file a turn (`clips`) or a file a speaker (`joined`).

Samples are those of the source, at its rate, with all its channels or, where channels are read apart, the
speaker's channel (docs/decisions/035-speaker-audio.md).
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple
from urllib.parse import quote

import numpy as np

from diar import storage
from diar.intervals import without
from diar.records import MIXED, SpeakerTurns, Turn

if TYPE_CHECKING:
    import soundfile as sf

    from diar.outputs.source_samples import SourceSamples

SPEAKERS_FOLDER = "speakers"
_RIFF_LIMIT = 0xF000_0000  # bytes; a WAV's sizes have 32 bits
_SAMPLE_BYTES = {"PCM_U8": 1, "ULAW": 1, "ALAW": 1, "PCM_16": 2, "PCM_24": 3, "DOUBLE": 8}  # others 4


@dataclass(frozen=True)
class AudioSource:
    """Where a recording's audio lies now, and which part of the file it is."""

    url: str
    offset: float = 0.0  # seconds of the file before the recording starts
    track: int = 0  # of its audio tracks
    channel: int | None = None  # that was read, if it was only one


@dataclass(frozen=True)
class SpeakerAudio:
    """Which audio is cut.

    Attributes:
        how: `clips`, `joined`, or `none`.
        overlap: whether parts with overlap are kept; a corpus of single voices must not have them.
        shortest: seconds; shorter pieces are left out.
    """

    how: Literal["none", "clips", "joined"] = "none"
    overlap: bool = False
    shortest: float = 0.25


@dataclass(frozen=True)
class Piece:
    """An interval of the recording, in seconds, and its file, relative to the recording's folder."""

    start: float
    end: float
    file: str
    channel: int = MIXED  # that the speaker is heard in, if channels are read apart


def plan_pieces(
    turns: Sequence[Turn], duration: float, settings: SpeakerAudio, origin: float = 0.0
) -> list[Piece]:
    """Return the pieces to cut, by start: `speakers/<name>/<start>-<end>.wav` or `speakers/<name>.wav`.

    Times in names are seconds from `origin` seconds before the recording's start.
    """
    if settings.how == "none":
        return []
    digits = len(str(int(origin + duration))) + 4
    pieces = []
    # Speakers of another channel are not heard in this one
    for channel, heard in SpeakerTurns.of(turns).by_channel().items():
        for speaker, intervals in heard.intervals.items():
            kept = intervals if settings.overlap else without(intervals, heard.overlap)
            for start, end in kept[kept[:, 1] - kept[:, 0] >= settings.shortest].tolist():
                name = f"{SPEAKERS_FOLDER}/{_component(speaker)}"
                if settings.how == "clips":
                    name += f"/{origin + start:0{digits}.3f}-{origin + end:0{digits}.3f}"
                pieces.append(Piece(start, end, storage.output_name(name, ".wav"), channel))
    return sorted(pieces, key=lambda piece: (piece.start, piece.file))


def cut_pieces(source: AudioSource, pieces: Sequence[Piece], folder: str) -> list[str]:
    """Cut `pieces`, ordered by start, into `folder` (local) in one pass over the source; return warnings.

    Memory does not depend on the length of recording or pieces. A file appears when it is complete. If the
    source ends too early, the part before its end is written and a warning says so.

    Raises:
        DecodeError: the source is missing, unreadable or holds no audio; unfinished files do not appear.
        OSError: `folder` cannot be written to.
    """
    if not pieces:
        return []
    from diar.outputs.source_samples import SourceSamples  # with the decoders

    samples = SourceSamples(source.url, source.track)
    spans = [_Span.of(piece, source, samples.rate) for piece in pieces]
    position, stop = spans[0].start, max(span.stop for span in spans)
    with ExitStack() as opened:
        writers = _Writers(samples, spans, folder, opened)
        waiting, active = deque(spans), []
        for block in samples.blocks(position, stop):
            end = position + len(block)
            while waiting and waiting[0].start < end:
                active.append(waiting.popleft())
            for span in active:
                writers.write(span, block[max(0, span.start - position) : span.stop - position], end)
            active = [span for span in active if span.stop > end]
            position = end
    if position >= stop:
        return []
    seconds = position / samples.rate - source.offset
    return [f"{source.url} ends at {seconds:.3f} s, before its turns do; audio of speakers is missing"]


class _Span(NamedTuple):
    """A piece in samples of the source."""

    start: int
    stop: int
    file: str
    channel: int | None  # None = all

    @classmethod
    def of(cls, piece: Piece, source: AudioSource, rate: int) -> _Span:
        origin = round(source.offset * rate)
        channel = source.channel if piece.channel == MIXED else piece.channel
        return cls(origin + round(piece.start * rate), origin + round(piece.end * rate), piece.file, channel)


class _Writers:
    """The files that are being written; each is opened at its first sample and closed after its last."""

    def __init__(self, source: SourceSamples, spans: Sequence[_Span], folder: str, opened: ExitStack) -> None:
        self._source, self._folder, self._opened = source, folder, opened
        self._stop: dict[str, int] = {}
        self._length: Counter[str] = Counter()
        for span in spans:
            self._stop[span.file] = span.stop  # a speaker's spans are disjoint, so the last one ends last
            self._length[span.file] += span.stop - span.start
        self._open: dict[str, tuple[ExitStack, sf.SoundFile]] = {}

    def write(self, span: _Span, samples: np.ndarray, position: int) -> None:
        """Append (n, channels) to the span's file; the source was read up to `position`."""
        if span.file not in self._open:
            self._open[span.file] = self._start(
                span.file, self._source.channels if span.channel is None else 1
            )
        stack, sound = self._open[span.file]
        sound.write(samples if span.channel is None else samples[:, span.channel])
        if position >= span.stop == self._stop[span.file]:
            del self._open[span.file]
            stack.close()

    def _start(self, file: str, channels: int) -> tuple[ExitStack, sf.SoundFile]:
        import soundfile as sf

        source = self._source
        size = self._length[file] * channels * _SAMPLE_BYTES.get(source.subtype, 4)
        stack = self._opened.enter_context(ExitStack())
        target = stack.enter_context(storage.open_atomic(str(Path(self._folder, file))))
        sound = sf.SoundFile(
            target,
            "w",
            samplerate=source.rate,
            channels=channels,
            subtype=source.subtype,
            format="RF64" if size > _RIFF_LIMIT else "WAV",
        )
        return stack, stack.enter_context(sound)


def _component(speaker: str) -> str:
    """Return a speaker's name as part of a path, other characters percent-encoded."""
    return "".join(quote(c, safe="") if c in "/\\%" or not c.isprintable() else c for c in speaker)
