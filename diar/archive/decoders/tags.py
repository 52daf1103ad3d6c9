"""Bytes in an audio file that are no audio: tags, other files, text, padding."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

_BLOCK = 1 << 18  # bytes read at a time
_LOOK = 1 << 16  # bytes that identify text or another file
_FILL = 16  # equal bytes in a row that are padding
_PRINTABLE = 0.85  # least share of printable bytes in text; compressed audio has 0.38
_WORDS = bytes([*range(0x20, 0x7F), 0x09, 0x0A, 0x0D])
_LYRICS = 5100  # most bytes of a Lyrics3 v1 tag
_SIGNATURES = (  # of other files
    (b"\xff\xd8\xff", "a JPEG"),
    (b"\x89PNG", "a PNG"),
    (b"GIF8", "a GIF"),
    (b"RIFF", "a RIFF header"),
    (b"RF64", "a RIFF header"),
    (b"FORM", "an AIFF header"),
    (b"OggS", "an Ogg page"),
    (b"fLaC", "a FLAC header"),
    (b"caff", "a CAF header"),
    (b"\x1aE\xdf\xa3", "a Matroska header"),
    (b"0&\xb2u\x8ef\xcf\x11", "an ASF header"),
    (b"%PDF", "a PDF"),
    (b"PK\x03\x04", "a ZIP"),
    (b"\x1f\x8b\x08", "a gzip file"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z file"),
    (b"Rar!\x1a\x07", "a RAR file"),
    (b"FLV\x01", "an FLV header"),
    (b"\x00\x00\x01\xba", "an MPEG header"),
    (b"SQLite format 3", "a database"),
)
_STARTS = re.compile(rb"ID3|3DI|APETAGEX|TAG|LYRICSBEGIN|#!AMR")  # of tags
_IMAGES = re.compile(
    rb"\xff\xd8\xff[\xe0\xe1]..(JFIF|Exif)|\x89PNG\r\n\x1a\n|RIFF....(WAVE|AVI )|GIF8[79]a", re.S
)


class FileBytes:
    """The bytes of a file by position, read in blocks.

    Attributes:
        size: of the file.
    """

    def __init__(self, handle: BinaryIO, block: int = _BLOCK) -> None:
        self._handle = handle
        self._least = block  # bytes to read at a time
        self.size = handle.seek(0, 2)
        self._start, self._block = 0, b""

    def window(self, position: int, count: int) -> tuple[bytes, int]:
        """Return a block and the index of `position` in it; `count` bytes follow unless the file ends."""
        if not 0 <= position < self.size:
            return b"", 0  # a damaged header may point anywhere
        inside = position - self._start
        if inside < 0 or inside + count > len(self._block):
            self._handle.seek(position)
            self._start, self._block, inside = position, self._handle.read(max(count, self._least)), 0
        return self._block, inside

    def at(self, position: int, count: int) -> bytes:
        """Return `count` bytes from `position` on, fewer at the end of the file."""
        block, inside = self.window(position, count)
        return block[inside : inside + count]


class ByteSpan(NamedTuple):
    """Bytes [start, end) of a file that are no frames of audio."""

    start: int
    end: int
    name: str | None  # what the bytes are, None if not known

    @property
    def size(self) -> int:
        """Bytes."""
        return self.end - self.start


def tag_at(data: FileBytes, position: int) -> tuple[str, int] | None:
    """Return name and length, by its own header, of the tag that begins at `position`."""
    head = data.at(position, 32)
    if head[:3] == b"ID3" and len(head) >= 10 and max(head[3:5]) < 0xFF and max(head[6:10]) < 0x80:
        size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
        return "ID3v2", size + (20 if head[5] & 0x10 else 10)
    if head[:8] == b"APETAGEX" and len(head) == 32:
        is_header = bool(head[23] & 0x20)
        return "APE", 32 + (int.from_bytes(head[12:16], "little") if is_header else 0)
    if head[:4] == b"TAG+" and data.at(position + 227, 3) == b"TAG":
        return "ID3v1", 227 + 128
    if head[:3] == b"TAG" and not _is_binary(data.at(position + 3, 94)):
        return "ID3v1", 128
    if head[:11] == b"LYRICSBEGIN":
        return _lyrics(data, position)
    for magic in (b"#!AMR\n", b"#!AMR-WB\n"):
        if head.startswith(magic):
            return "AMR header", len(magic)
    return None


def find_tag(data: FileBytes, start: int, end: int) -> int | None:
    """Return where the first tag in [start, end) begins."""
    for position, block in _blocks(data, start, end, overlap=16):
        for match in _STARTS.finditer(block):
            if position + match.start() < end and tag_at(data, position + match.start()) is not None:
                return position + match.start()
    return None


def find_foreign(data: FileBytes, start: int, end: int) -> int | None:
    """Return where the first tag or picture in [start, end), a short range, begins."""
    picture = _IMAGES.search(data.at(start, end + 12 - start))
    found = [find_tag(data, start, end), start + picture.start() if picture else None]
    return min((place for place in found if place is not None and place < end), default=None)


def skip_tags(data: FileBytes, position: int) -> int:
    """Return where the tags that begin at `position` end."""
    while (tag := tag_at(data, position)) is not None and position + tag[1] <= data.size:
        position += tag[1]
    return position


def identify_bytes(data: FileBytes, start: int, end: int) -> list[ByteSpan]:
    """Divide bytes [start, end) between frames of audio by what they are, in order.

    A run of equal bytes is padding only if nothing unknown follows. Zeros left by damage begin and end within
    frames, so the rest of a frame follows them.
    """
    found: list[ByteSpan] = []
    while start < end:
        tag = tag_at(data, start)
        stop = min(end, start + tag[1]) if tag else find_tag(data, start + 1, end) or end
        if tag:
            found.append(ByteSpan(start, stop, tag[0]))
        else:
            items = max(start, _ape_items(data, stop))
            found.extend(_without_tags(data, start, items) if items > start else [])
            found.extend([ByteSpan(items, stop, "APE")] if items < stop else [])
        start = stop
    return found


def _without_tags(data: FileBytes, start: int, end: int) -> list[ByteSpan]:
    filled = _fill_end(data, start, end)
    if filled == end:
        return [ByteSpan(start, end, "padding")]
    name = foreign_name(data, filled, end)
    if name is None:
        return [ByteSpan(start, end, None)]
    return [ByteSpan(start, filled, "padding")] * (filled > start) + [ByteSpan(filled, end, name)]


def foreign_name(data: FileBytes, start: int, end: int) -> str | None:
    """Return what file or text [start, end) is, None if it might be audio."""
    head = data.at(start, min(_LOOK, end - start))
    for magic, name in _SIGNATURES:
        if head.startswith(magic):
            return name
    if head[4:8] == b"ftyp":
        return "an MP4 header"
    return "text" if len(head) >= _FILL and is_text(head) and _ends_in_text(data, end) else None


def is_text(content: bytes) -> bool:
    """Return whether bytes are text: mostly ASCII (also as UTF-16), or UTF-8 without control characters."""
    letters = content.replace(b"\0", b"")
    if not letters:
        return False
    if len(letters.translate(None, _WORDS)) <= (1 - _PRINTABLE) * len(letters):
        return True
    symbols = content.decode("utf-8", "replace")
    return len(symbols) >= 64 and all(c.isprintable() or c in "\t\r\n" for c in symbols[:-1])


def _ends_in_text(data: FileBytes, end: int) -> bool:
    """Return whether text reaches `end`; the rest of a frame would follow text written over audio."""
    tail = data.at(max(0, end - _FILL), _FILL).replace(b"\0", b"")
    if not tail.translate(None, _WORDS):
        return True
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    symbols = decoder.decode(tail.lstrip(bytes(range(0x80, 0xC0))))
    return all(symbol.isprintable() or symbol in "\t\r\n" for symbol in symbols.replace("\ufffd", "\0"))


def _fill_end(data: FileBytes, start: int, end: int) -> int:
    """Return where the run of equal bytes at `start` ends; `start` if it is too short to be padding."""
    fill = data.at(start, 1)
    stop = start
    for position, block in _blocks(data, start, end):
        rest = block.lstrip(fill)
        stop = position + len(block) - len(rest)
        if rest:
            break
    return stop if stop - start >= _FILL or stop == end else start


def _ape_items(data: FileBytes, end: int) -> int:
    """Return where an APE tag without a header begins, whose footer begins at `end`; else `end`."""
    footer = data.at(end, 32)
    if footer[:8] != b"APETAGEX" or len(footer) < 32 or footer[23] & 0x20:
        return end
    return end - max(0, int.from_bytes(footer[12:16], "little") - 32)


def ape_start(data: FileBytes, end: int) -> int:
    """Return where the APE tag that ends at `end` begins; `end` if there is none."""
    footer = data.at(max(0, end - 32), 32)
    if footer[:8] != b"APETAGEX":
        return end
    return max(0, end - int.from_bytes(footer[12:16], "little") - (32 if footer[23] & 0x80 else 0))


def _lyrics(data: FileBytes, position: int) -> tuple[str, int] | None:
    content = data.at(position, 1_000_020)
    if (second := re.search(rb"(\d{6})LYRICS200", content)) and int(second[1]) == second.start():
        return "Lyrics3", second.end()
    end = content.find(b"LYRICSEND", 0, _LYRICS + 20)
    return ("Lyrics3", end + 9) if end >= 0 else None


def _is_binary(content: bytes) -> bool:
    """Return whether the text fields of an ID3v1 tag hold control characters."""
    return bool(content.strip(b"\0").translate(None, bytes(range(0x20, 0x100)) + b"\0\t\r\n"))


def _blocks(data: FileBytes, start: int, end: int, overlap: int = 0) -> Iterator[tuple[int, bytes]]:
    for position in range(start, end, _BLOCK):
        yield position, data.at(position, min(_BLOCK, end - position) + overlap)
