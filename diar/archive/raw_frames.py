"""The frames of MP3, ADTS AAC, AC-3 and AMR files, which have no container and no timestamps.

A frame's header says where the next one begins, so sound files are an unbroken chain of frames. Where the
chain breaks, the next one is looked for, and what lies between is either no audio (a tag, another file, text,
padding: no time) or damaged audio (docs/decisions/050-no-timestamps.md).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from diar.archive.tags import FileBytes, Stretch, find_foreign, is_text, skip_tags, stretches, tag_at

_SEARCH = 1 << 20  # bytes searched at a time
SEARCHED = 1 << 24  # bytes at the start of a file in which the first frame has to be
_AMR_LOOK = 320  # bytes of ten frames
_OFF_GRID = 1.5  # bytes by which a frame at constant bit rate may miss its place: padding is one
_STEADY = 8  # frames of equal size that make a bit rate constant


class Header(NamedTuple):
    """What a frame's header says."""

    size: int  # bytes of the frame
    key: Hashable  # what stays the same within a stream
    mean: float | None  # bytes a frame has on average if this bit rate stays; None if that says nothing


@dataclass(frozen=True)
class Kind:
    """One kind of stream.

    Attributes:
        codec: FFmpeg's name of its decoder.
        header: reads the header at a place in a block; None if there is none.
        length: most bytes a header has.
        start: matches how one may begin.
        chain: frames in a row that prove each other.
        varies: whether a header proves itself by itself, so that sizes may change without a further look.
    """

    codec: str
    header: Callable[[bytes, int], Header | None]
    length: int
    start: re.Pattern[bytes]
    chain: int
    varies: bool = True


class Frame(NamedTuple):
    """One whole frame."""

    content: bytes
    key: Hashable


@dataclass
class Break:
    """Where a chain of frames ends and another begins.

    Attributes:
        stretches: the bytes between.
        lost: frames of audio that were there.
        at_start: no frame came before it.
        at_end: no frame comes behind it.
    """

    stretches: list[Stretch]
    lost: int = 0
    at_start: bool = False
    at_end: bool = False


@dataclass
class RawFrames:
    """Iterates over a file's frames and breaks.

    Attributes:
        good_bytes: in frames so far.
        good_frames: so far.
    """

    data: FileBytes
    kind: Kind
    good_bytes: int = 0
    good_frames: int = 0
    _size: int = 0  # of the last frame
    _equal: int = field(default=0, repr=False)  # frames in a row of that size, but for padding

    def begin(self, search: bool = False) -> int | None:
        """Where the first frame is: behind the tags at the start of the file, or anywhere."""
        start = skip_tags(self.data, 0)
        if self._is_chain(start):
            return start
        return self._next_chain(0, SEARCHED) if search else None

    def iterate(self, start: int) -> Iterator[Frame | Break]:
        """Frames from the one at `start` on.

        What lies before `start` comes first, if it is more than tags.
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
        """Bytes before the first frame: time only if as many frames fit in at its bit rate."""
        header = self._header(end)
        between = stretches(self.data, start, end)
        unknown = sum(stretch.size for stretch in between if stretch.name is None)
        lost = _frames_on_grid(unknown, header.mean) if header and header.mean else 0
        return Break(between, lost or 0, at_start=True)

    def _interruption(self, start: int, header: Header) -> tuple[bool, Break | None, int | None]:
        """The frame at `start` has no good follower.

        Returns:
            Whether the frame itself is whole, what follows it, and where the next frame is.
        """
        end, size = start + header.size, self.data.size
        if end == size or self._is_chain(end):
            return True, None, end if end < size else None
        whole = True
        if tag_at(self.data, end) is None:
            inside = find_foreign(self.data, start + self.kind.length, min(end, size))
            resumed = inside or self._next_chain(start + 1, min(end, size))
            if inside or resumed or end > size:  # it is cut short, or its header lies
                whole, end = False, inside or start
        resumed = self._resumed(end)
        between = stretches(self.data, end, size if resumed is None else resumed)
        if not between:
            return whole, None, resumed
        lost = 0 if resumed is None else self._lost(between, header)
        return whole, Break(between, lost, at_end=resumed is None), resumed

    def _resumed(self, end: int) -> int | None:
        """Where frames go on behind `end`: after whole tags, or wherever a chain is found."""
        behind = skip_tags(self.data, end)
        if behind >= self.data.size:
            return None
        return behind if self._is_chain(behind) else self._next_chain(end + 1)

    def _lost(self, between: list[Stretch], header: Header) -> int:
        """Frames of audio that unknown bytes were."""
        lost = 0
        for index, stretch in enumerate(between):
            if stretch.name is not None:
                continue
            if self._equal >= _STEADY and header.mean:
                lost += _frames_on_grid(stretch.size, header.mean) or 0
            elif index == 0:
                lost += round(stretch.size * self.good_frames / max(1, self.good_bytes))
        return lost

    def _is_chain(self, position: int) -> bool:
        """Whether frames of one stream follow each other from `position`, or up to a tag or the end."""
        key = None
        if not self.kind.varies and is_text(self.data.at(position, _AMR_LOOK)):
            return False
        for number in range(self.kind.chain):
            if position >= self.data.size:
                return number > 0 and (position == self.data.size or 2 * number >= self.kind.chain)
            header = self._header(position)
            if header is None or (number and header.key != key):
                return number > 0 and tag_at(self.data, position) is not None
            key = header.key
            position += header.size
        return True

    def _next_chain(self, start: int, end: int | None = None) -> int | None:
        """The first place in [start, end) at which a chain begins."""
        stop = self.data.size if end is None else end
        for position in range(start, stop, _SEARCH):
            block = self.data.at(position, min(_SEARCH, stop - position) + self.kind.length)
            for match in self.kind.start.finditer(block):
                place = match.start()
                if place >= _SEARCH or position + place >= stop:
                    break
                if self.kind.header(block, place) is not None and self._is_chain(position + place):
                    return position + place
        return None


def _frames_on_grid(size: int, mean: float) -> int | None:
    """How many frames fill `size` bytes at a constant bit rate; None if no number of them does."""
    frames = round(size / mean)
    off = abs(size - frames * mean)
    return frames if frames and off <= (0 if mean.is_integer() else _OFF_GRID) else None


_MP3_RATES = {0: (11_025, 12_000, 8_000), 2: (22_050, 24_000, 16_000), 3: (44_100, 48_000, 32_000)}
_MP3_KBPS = {  # MPEG 1 layers I, II, III; MPEG 2 and 2.5 layers I, II and III
    (3, 3): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (3, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (3, 1): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 3): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}


def _mp3_headers() -> dict[bytes, Header]:
    """By the last two of the first three bytes and whether it is mono."""
    headers = {}
    for version, layer, index, rate_index, padding in (
        (v, la, i, r, p)
        for v in _MP3_RATES
        for la in (1, 2, 3)
        for i in range(14)
        for r in range(3)
        for p in (0, 1)
    ):
        rate = _MP3_RATES[version][rate_index]
        kbps = _MP3_KBPS[3 if version == 3 else 2, layer if version == 3 else max(layer, 2)][index]
        samples = 384 if layer == 3 else 576 if layer == 1 and version != 3 else 1152
        mean = samples / 8 * kbps * 1000 / rate
        slot = 4 if layer == 3 else 1
        size = (int(mean / slot) + padding) * slot
        key = (version, layer, rate)
        for protection in (0, 1):
            for private in (0, 1):
                second = 0xE0 | version << 3 | layer << 1 | protection
                third = (index + 1) << 4 | rate_index << 2 | padding << 1 | private
                headers[bytes((second, third))] = Header(size, key, mean)
    return headers


_MP3 = _mp3_headers()


def _mp3_header(block: bytes, place: int) -> Header | None:
    return _MP3.get(block[place + 1 : place + 3]) if block[place : place + 1] == b"\xff" else None


def mp3_rate(frame: bytes) -> int:
    """Hz, by the header of an MP3 frame."""
    return _MP3_RATES[frame[1] >> 3 & 3][frame[2] >> 2 & 3]


def _adts_header(block: bytes, place: int) -> Header | None:
    head = block[place : place + 7]
    if len(head) < 7 or head[0] != 0xFF or head[1] & 0xF6 != 0xF0 or head[2] & 0x3C > 0x30:
        return None
    size = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    key = (head[1] & 8, head[2] & 0xFD, head[3] & 0xC0)
    return Header(size, key, None) if size > 7 else None


_AC3_KBPS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640)
_AC3_RATES = (48_000, 44_100, 32_000)


def _ac3_header(block: bytes, place: int) -> Header | None:
    head = block[place : place + 6]
    if len(head) < 6 or head[:2] != b"\x0b\x77":
        return None
    version, rate = head[5] >> 3, head[4] >> 6
    if 10 < version <= 16:
        size = 2 * ((head[2] & 7) << 8 | head[3]) + 2
        return Header(size, (True, rate), float(size)) if size > 6 else None
    code = head[4] & 0x3F
    if version > 10 or rate == 3 or code >= 2 * len(_AC3_KBPS):
        return None
    mean = _AC3_KBPS[code >> 1] * 1000 * 1536 / 8 / _AC3_RATES[rate]
    return Header(2 * (int(mean / 2) + (code & 1 if rate == 1 else 0)), (False, rate), mean)


_AMR_SIZES = {  # with the byte that announces them, by mode; 15 = nothing is sent
    "amrnb": (13, 14, 16, 18, 20, 21, 27, 32, 6, 0, 0, 0, 0, 0, 0, 1),
    "amrwb": (18, 24, 33, 37, 41, 47, 51, 59, 61, 6, 0, 0, 0, 0, 1, 1),
}


def _amr(codec: str) -> Kind:
    headers = {
        bytes((mode << 3 | quality << 2,)): Header(size, codec, float(size))
        for mode, size in enumerate(_AMR_SIZES[codec])
        for quality in (0, 1)
        if size and mode << 3 | quality << 2  # zero would be a bad frame, and is padding
    }
    start = re.compile(b"[" + re.escape(b"".join(headers)) + b"]")
    return Kind(codec, lambda block, place: headers.get(block[place : place + 1]), 1, start, 10, varies=False)


MP3 = Kind("mp3float", _mp3_header, 4, re.compile(b"\xff[\xe2-\xff]"), 4)
AAC = Kind("aac", _adts_header, 7, re.compile(b"\xff[\xf0\xf1\xf8\xf9]"), 3)
AC3 = Kind("ac3", _ac3_header, 6, re.compile(b"\x0b\x77"), 3)
AMR_NB, AMR_WB = _amr("amrnb"), _amr("amrwb")
