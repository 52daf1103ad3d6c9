"""Extent of the samples in an uncompressed file: by its header, and by the bytes that the file holds.

A recorder that died, or a size that wrapped at 4 GiB, leaves a header that counts too few bytes. The bytes
after the counted ones are audio unless they are a chain of chunks, tags, another file, padding or noise
(docs/decisions/050-bytes-headers-clocks.md).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from diar.archive.decoders.tags import FileBytes, ape_start, identify_bytes, skip_tags

UNTOLD = 0x7FFF_0000  # data sizes from here on are placeholders of streaming writers
_TRAILERS = 1 << 24  # bytes at the end of a file that are searched for chunks behind the audio
_SMALL = 64  # bytes that do not matter
_LOOK = 1 << 16  # bytes that tell noise from audio
_ID3V1 = 128
_IDS = re.compile(  # names of chunks that writers put behind the audio
    rb"LIST|INFO|id3 |ID3 |bext|cue |smpl|iXML|_PMX|axml|fact|PEAK|JUNK|junk|PAD |FLLR|acid|inst|DISP|plst|"
    rb"umid|minf|elm1|regn|afsp|chna|strc|levl|link|cart|note|labl|ltxt|MARK|INST|COMT|NAME|AUTH|\(c\) |ANNO|"
    rb"APPL|CHAN|info|strg|peak|free|uuid|mark|dbmd|ds64|wavl|slnt|SAUR|LGWV|ResU|tlst|SyLp|SNDM|Fake|AFAn"
)


@dataclass(frozen=True)
class _Layout:
    """Structure of the chunks in a family of files."""

    first: int  # where chunks begin
    id_bytes: int
    size_bytes: int
    endian: str
    align: int
    inclusive: bool = False  # sizes count the chunk's head
    data: bytes = b"data"
    skipped: int = 0  # bytes between the data chunk's head and the samples

    @property
    def head(self) -> int:
        """Bytes of a chunk's id and size."""
        return self.id_bytes + self.size_bytes

    def chunk(self, data: FileBytes, position: int) -> tuple[bytes, int] | None:
        """Return the name and the content's size in bytes of the chunk at `position`."""
        head = data.at(position, self.head)
        if len(head) < self.head:
            return None
        size = int.from_bytes(head[self.id_bytes :], "big" if self.endian == "big" else "little")
        return head[:4], size - self.head if self.inclusive else size

    def behind(self, position: int, size: int) -> int:
        """Return where the chunk after one of `size` bytes at `position` begins."""
        end = position + self.head + size
        return end + -end % self.align if self.inclusive else end + size % self.align


_RIFF = _Layout(12, 4, 4, "little", 2)
_LAYOUTS = {
    b"RIFF": _RIFF,
    b"RF64": _RIFF,
    b"RIFX": _Layout(12, 4, 4, "big", 2),
    b"FORM": _Layout(12, 4, 4, "big", 2, data=b"SSND", skipped=8),
    b"riff": _Layout(40, 16, 8, "little", 8, inclusive=True),
    b"caff": _Layout(8, 4, 8, "big", 1, skipped=4),
}


class Extent(NamedTuple):
    """The bytes of a file that are samples."""

    start: int
    counted: int  # end by the header; `start` if the header does not tell
    end: int  # end of the samples that the file holds
    left_out: int  # unknown bytes behind `end`, which are no audio
    size_field: slice  # place in the header of the samples' size
    endian: str  # of that field


def find_extent(data: FileBytes, noisy: bool) -> Extent | None:
    """Find the samples of a file; None if its structure is unknown or the header counts all bytes.

    Args:
        data: a file in a format that libsndfile reads.
        noisy: whether its samples look like noise anyway, because they are compressed.
    """
    layout = _LAYOUTS.get(data.at(0, 4))
    if layout is None:
        return _find_flat(data, noisy)
    position, long_size = layout.first, None
    while (chunk := layout.chunk(data, position)) is not None:
        name, size = chunk
        if name == b"ds64":
            long_size = int.from_bytes(data.at(position + 16, 8), "little")
        if name == layout.data:
            field = slice(position + layout.id_bytes, position + layout.head)
            start = position + layout.head + layout.skipped
            size = long_size if long_size is not None and size == 0xFFFF_FFFF else size - layout.skipped
            return _extent(data, layout, start, size, noisy, field)
        if size < 0:
            return None
        position = layout.behind(position, size)
    return None


def _find_flat(data: FileBytes, noisy: bool) -> Extent | None:
    """Find the samples of an AU file, which has a header and nothing behind the samples."""
    head = data.at(0, 12)
    if head[:4] != b".snd" or len(head) < 12:
        return None
    start, size = int.from_bytes(head[4:8], "big"), int.from_bytes(head[8:12], "big")
    return _extent(data, None, start, size, noisy, slice(8, 12))


def _extent(
    data: FileBytes, layout: _Layout | None, start: int, size: int, noisy: bool, field: slice
) -> Extent | None:
    endian = layout.endian if layout else "big"
    if size <= 0 or (size >= UNTOLD and start + size > data.size):
        size = 0
    counted = start + size
    if counted >= data.size:
        return None
    behind = counted if layout is None else counted + size % 2
    if layout is not None and _is_chain(data, layout, behind, sure=True):
        return Extent(start, counted, counted, 0, field, endian)
    end = data.size if layout is None else _trailer(data, layout, behind)
    end, left_out = _plausible(data, counted, end, noisy)
    return Extent(start, counted, end, left_out, field, endian)


def _plausible(data: FileBytes, start: int, end: int, noisy: bool) -> tuple[int, int]:
    """Return where audio with the uncounted part [start, end) ends, and bytes of that part to leave out."""
    if end - start < _SMALL or skip_tags(data, start) >= end:
        return start, 0
    known = identify_bytes(data, start, min(end, start + _LOOK))[0]
    zeros = known.name == "padding" and not any(data.at(end - _SMALL, _SMALL))
    if zeros or known.name not in (None, "padding", "ID3v1"):
        return start, 0 if zeros else end - start
    if not noisy and _is_noise(data.at(start, min(_LOOK, end - start))):
        return start, end - start
    return end, 0


def _is_noise(content: bytes) -> bool:
    """Return whether all bytes are equally frequent, as in compressed or encrypted data but not samples."""
    if len(content) < 1 << 12:
        return False
    counts = np.bincount(np.frombuffer(content, np.uint8), minlength=256)
    expected = len(content) / 256
    return float(((counts - expected) ** 2 / expected).sum()) < 2 * 256  # of noise: 256 ± 23


def _trailer(data: FileBytes, layout: _Layout, start: int) -> int:
    """Return where chunks or tags behind the samples begin, after `start`; else the end of the file."""
    end = data.size - (_ID3V1 if data.at(data.size - _ID3V1, 3) == b"TAG" else 0)
    end = ape_start(data, end)
    begin = max(start, data.size - _TRAILERS)
    block = data.at(begin, data.size - begin)
    for match in _IDS.finditer(block):
        if _is_chain(data, layout, begin + match.start(), sure=False):
            return begin + match.start()
    return end


def _is_chain(data: FileBytes, layout: _Layout, position: int, sure: bool) -> bool:
    """Return whether chunks lie at `position` one after another until the file ends.

    Args:
        sure: whether a chunk of a known name is expected there, so that its end may be missing.
    """
    first = position
    while position < data.size - _ID3V1 - 1 or data.at(position, 3) != b"TAG":
        chunk = layout.chunk(data, position)
        rest = data.at(position, _LOOK) if data.size - position < _LOOK else b"1"
        if chunk is None or not any(rest):
            return position > first and (not any(rest) or len(rest) <= 1)
        name, size = chunk
        known = _IDS.fullmatch(name) is not None
        if size < 0 or name in _LAYOUTS or not (known or re.fullmatch(rb"[ -~]{4}", name)):
            return False
        position = layout.behind(position, size)
        if position >= data.size:
            return position <= data.size + layout.align or (sure and known)
    return position > first
