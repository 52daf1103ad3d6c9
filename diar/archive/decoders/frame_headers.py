"""Headers of frames in files without a container, by kind of file."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import NamedTuple


class Header(NamedTuple):
    """Contents of a frame's header."""

    size: int  # bytes of the frame
    key: Hashable  # the fields that stay the same within a stream
    mean: float | None  # bytes of a frame on average at this bit rate; None if the header does not tell


@dataclass(frozen=True)
class Kind:
    """One kind of stream.

    Attributes:
        codec: FFmpeg's name of its decoder.
        header: reads the header at a place in a block; None if there is none.
        length: most bytes of a header.
        start: matches the beginning of a header.
        chain: frames in a row that prove each other.
        varies: whether one header is proof enough for a frame of another size than the last one.
        magic: first bytes of such a file.
    """

    codec: str
    header: Callable[[bytes, int], Header | None]
    length: int
    start: re.Pattern[bytes]
    chain: int
    varies: bool = True
    magic: bytes = b""


_MP3_RATES = {0: (11_025, 12_000, 8_000), 2: (22_050, 24_000, 16_000), 3: (44_100, 48_000, 32_000)}
_MP3_KBPS = {  # MPEG 1 layers I, II, III; MPEG 2 and 2.5 layers I, II and III
    (3, 3): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (3, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (3, 1): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 3): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}


def _mp3_headers() -> dict[bytes, Header]:
    """Return all headers by their second and third byte."""
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
    """Return the rate in Hz from the header of an MP3 frame."""
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


_AMR_MAGIC = {"amrnb": b"#!AMR\n", "amrwb": b"#!AMR-WB\n"}
_AMR_SIZES = {  # bytes of a frame with its header, by mode; mode 15 = nothing is sent
    "amrnb": (13, 14, 16, 18, 20, 21, 27, 32, 6, 0, 0, 0, 0, 0, 0, 1),
    "amrwb": (18, 24, 33, 37, 41, 47, 51, 59, 61, 6, 0, 0, 0, 0, 1, 1),
}


def _amr(codec: str) -> Kind:
    headers = {
        bytes((mode << 3 | quality << 2,)): Header(size, codec, float(size))
        for mode, size in enumerate(_AMR_SIZES[codec])
        for quality in (0, 1)
        if size and mode << 3 | quality << 2  # a zero byte is padding
    }
    start = re.compile(b"[" + re.escape(b"".join(headers)) + b"]")
    return Kind(
        codec,
        lambda block, place: headers.get(block[place : place + 1]),
        1,
        start,
        10,
        varies=False,
        magic=_AMR_MAGIC[codec],
    )


MP3 = Kind("mp3float", _mp3_header, 4, re.compile(b"\xff[\xe2-\xff]"), 4)
AAC = Kind("aac", _adts_header, 7, re.compile(b"\xff[\xf0\xf1\xf8\xf9]"), 3)
AC3 = Kind("ac3", _ac3_header, 6, re.compile(b"\x0b\x77"), 3)
AMR_NB, AMR_WB = _amr("amrnb"), _amr("amrwb")
