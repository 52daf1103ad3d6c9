"""The frames of MP3, ADTS AAC, AC-3 and AMR files, which have no container and no timestamps.

A frame's header says where the next frame begins, so intact files are an unbroken chain of frames. Where the
chain breaks, the reader looks for the next one. The bytes between are damaged audio, or no audio and no time:
a tag, another file, text or padding (docs/decisions/050-bytes-headers-clocks.md).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from diar.archive.audio_file import AudioFile
from diar.archive.decoders.frame_headers import AAC, AC3, AMR_NB, AMR_WB, MP3, Header, Kind
from diar.archive.decoders.tags import (
    ByteSpan,
    FileBytes,
    find_foreign,
    identify_bytes,
    is_text,
    skip_tags,
    tag_at,
)

_SEARCH = 1 << 20  # bytes searched at a time
SEARCHED = 1 << 24  # bytes at the start of a file that must hold the first frame
_AMR_LOOK = 320  # bytes of ten frames
_FRAMES_OR_TAG = frozenset(
    {b"ID", b"#!", b"\x0b\x77", *(bytes((0xFF, second)) for second in range(0xE2, 0x100))}
)
_OFF_GRID = 1.5  # bytes by which a frame at constant bit rate may miss its place; one is padding
_STEADY = 8  # frames of equal size that make a bit rate constant


class Frame(NamedTuple):
    """One whole frame."""

    content: bytes
    key: Hashable


@dataclass
class Break:
    """The bytes between two chains of frames.

    Attributes:
        spans: the bytes, by what they are.
        lost: frames of audio among them.
        at_start: whether no frame comes before.
        at_end: whether no frame comes after.
    """

    spans: list[ByteSpan]
    lost: int = 0
    at_start: bool = False
    at_end: bool = False


@dataclass
class RawFrames:
    """Iterates over a file's frames and breaks.

    Attributes:
        good_bytes: bytes of whole frames so far.
        good_frames: their number.
    """

    data: FileBytes
    kind: Kind
    good_bytes: int = 0
    good_frames: int = 0
    _size: int = 0  # of the last frame
    _equal: int = field(default=0, repr=False)  # frames in a row of that size, give or take padding

    def begin(self, search: bool = False) -> int | None:
        """Find the first frame: behind the tags at the start of the file, or with `search` anywhere."""
        start = skip_tags(self.data, 0)
        if not search or self.is_chain(start):
            return start if self.is_chain(start) else None
        if self.kind.magic:
            header = self.data.at(0, SEARCHED).find(self.kind.magic)
            return None if header < 0 else self._next_chain(header + len(self.kind.magic))
        return self._next_chain(0, SEARCHED)

    def iterate(self, start: int) -> Iterator[Frame | Break]:
        """Yield frames from the one at `start` on.

        The bytes before `start` come first, as a break, if they are more than tags.
        """
        header = self._header(start)
        tags = skip_tags(self.data, 0)
        if start != tags:
            yield self._first_break(0, start)
        while header is not None:
            block, inside = self.data.window(start, header.size + self.kind.length)
            stop = inside + header.size
            follower = self.kind.header(block, stop)
            steady = follower is not None and follower.key == header.key
            if follower and steady and (self.kind.varies or follower.size == header.size):
                self._count(header)
                yield Frame(block[inside:stop], header.key)
                start += header.size
                header = follower
                continue
            whole, gap, resumed = self._interruption(start, header)
            if whole:
                self._count(header)
                yield Frame(self.data.at(start, header.size), header.key)
            if gap is not None:
                yield gap
            if resumed is None:
                return
            start, header = resumed, self._header(resumed)

    def _count(self, header: Header) -> None:
        self._equal = self._equal + 1 if abs(header.size - self._size) <= 1 else 0
        self._size = header.size
        self.good_bytes += header.size
        self.good_frames += 1

    def _header(self, position: int) -> Header | None:
        return self.kind.header(*self.data.window(position, self.kind.length))

    def _first_break(self, start: int, end: int) -> Break:
        """Describe the bytes before the first frame: lost frames only if whole ones fit at its bit rate."""
        header = self._header(end)
        between = identify_bytes(self.data, start, end)
        unknown = sum(span.size for span in between if span.name is None)
        lost = _frames_on_grid(unknown, header.mean) if header and header.mean else 0
        return Break(between, lost or 0, at_start=True)

    def _interruption(self, start: int, header: Header) -> tuple[bool, Break | None, int | None]:
        """Look behind the frame at `start`, which no good frame follows.

        Returns:
            Whether the frame itself is whole, the bytes behind it, and where the next frame begins.
        """
        end, size = start + header.size, self.data.size
        if end == size or self.is_chain(end):
            return True, None, end if end < size else None
        whole = True
        if tag_at(self.data, end) is None:
            inside = find_foreign(self.data, start + self.kind.length, min(end, size))
            resumed = inside or self._next_chain(start + 1, min(end, size))
            if inside or resumed or end > size:  # it is cut short, or its header lies
                whole, end = False, inside or start
        resumed = self._resumed(end)
        between = identify_bytes(self.data, end, size if resumed is None else resumed)
        if not between:
            return whole, None, resumed
        lost = 0 if resumed is None else self._lost(between, header)
        return whole, Break(between, lost, at_end=resumed is None), resumed

    def _resumed(self, end: int) -> int | None:
        """Find where frames go on behind `end`: after whole tags, or at the next chain."""
        behind = skip_tags(self.data, end)
        if behind >= self.data.size:
            return None
        return behind if self.is_chain(behind) else self._next_chain(end + 1)

    def _lost(self, between: list[ByteSpan], header: Header) -> int:
        """Estimate the frames of audio that unknown bytes were."""
        lost = 0
        for index, span in enumerate(between):
            if span.name is not None:
                continue
            if self._equal >= _STEADY and header.mean:
                lost += _frames_on_grid(span.size, header.mean) or 0
            elif index == 0:
                lost += round(span.size * self.good_frames / max(1, self.good_bytes))
        return lost

    def is_chain(self, position: int) -> bool:
        """Return whether frames of one stream follow each other from `position`, or to a tag or the end."""
        key, first = None, position
        for number in range(self.kind.chain):
            if position >= self.data.size:
                return number > 0 and (position == self.data.size or 2 * number >= self.kind.chain)
            header = self._header(position)
            if header is None or (number and header.key != key):
                return number > 0 and tag_at(self.data, position) is not None
            key = header.key
            position += header.size
        return self.kind.varies or not is_text(self.data.at(first, _AMR_LOOK))

    def _next_chain(self, start: int, end: int | None = None) -> int | None:
        """Find the first chain that begins in [start, end)."""
        stop = self.data.size if end is None else end
        for position in range(start, stop, _SEARCH):
            block = self.data.at(position, min(_SEARCH, stop - position) + self.kind.length)
            for match in self.kind.start.finditer(block):
                place = match.start()
                if place >= _SEARCH or position + place >= stop:
                    break
                if self.kind.header(block, place) is not None and self.is_chain(position + place):
                    return position + place
        return None


def _frames_on_grid(size: int, mean: float) -> int | None:
    """Return how many frames fill `size` bytes at a constant bit rate; None if no number of them does."""
    frames = round(size / mean)
    off = abs(size - frames * mean)
    return frames if frames and off <= (0 if mean.is_integer() else _OFF_GRID) else None


def kind_at(data: FileBytes, start: int) -> Kind | None:
    """Return the kind of frames that begin at `start`; AMR only behind its header."""
    for kind in kinds_behind(data, start):
        if kind.start.match(data.at(start, 2)) and RawFrames(data, kind).is_chain(start):
            return kind
    return None


def kinds_behind(data: FileBytes, start: int) -> list[Kind]:
    """Return the kinds of frames that may begin at `start`."""
    before = data.at(max(0, start - 9), min(9, start))
    by_header = [kind for kind in (AMR_WB, AMR_NB) if before.endswith(kind.magic)]
    return by_header or [MP3, AAC, AC3]


def kind_in_riff(file: AudioFile) -> Kind | None:
    """Return the kind of frames in the data of a WAV, whatever its header says."""
    start = file.head.find(b"data") + 8
    if start < 8 or not file.head.startswith(b"RIFF") or file.head[start : start + 2] not in _FRAMES_OR_TAG:
        return None
    with file.open() as handle, file.reading():
        data = FileBytes(handle)
        return kind_at(data, skip_tags(data, start))
