"""Parquet files whose every byte has a checksum: a seal stands before the footer.

    blocks of 16 kB … | CRC-32 of each block | trailer | Parquet footer, its length, `PAR1`

Parquet's own page checksums cover neither footers nor the headers of pages. Other readers find the footer by
its length, as in any Parquet file, and never look at the seal. Files without one are read unchecked.
"""

from __future__ import annotations

import hashlib
import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, cast

_BLOCK = 16_384  # bytes; of a file that is read in parts, no less is read at once
_WHOLE = 1 << 20  # bytes; a smaller file is read at once
_TAIL = 1 << 16  # bytes that are read of a larger one's end, which mostly hold seal and footer
_MAGIC = b"diarSEAL"
# Magic, bytes of a block, bytes before the seal, bytes of the footer, CRC-32 of the footer and of the list …
_TRAILER = struct.Struct("<8sIQIII")
_CRC = struct.Struct("<I")  # … and of these
_END = 8  # bytes: length of Parquet's own footer, PAR1


class ChecksumError(OSError):
    """Bytes that are not those that were written."""


class SealingFile:
    """Passes on what a Parquet writer writes to it, and seals it: `begin_footer`, the footer, `finish`.

    Attributes:
        closed: for Arrow; never.
    """

    closed = False

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._sha256 = hashlib.sha256()
        self._blocks: list[int] = []  # CRC-32 of each block; the last one may go on
        self._length = 0
        self._footer: bytearray | None = None

    def write(self, data: bytes) -> int:
        """Write `data`; the footer is kept until its length is known."""
        if self._footer is not None:
            self._footer += data
            return len(data)
        view = memoryview(data)
        while view:
            used = self._length % _BLOCK
            part = view[: _BLOCK - used]
            if not used:
                self._blocks.append(0)
            self._blocks[-1] = zlib.crc32(part, self._blocks[-1])
            self._length += len(part)
            view = view[len(part) :]
        self._pass_on(data)
        return len(data)

    def tell(self) -> int:
        """Return where the next byte goes, the seal not counted: no offset that is stored lies behind it."""
        return self._length + len(self._footer or b"")

    def flush(self) -> None:
        """Do nothing: whoever opened the file flushes it."""

    def begin_footer(self) -> None:
        """Take what is written from here on for the footer."""
        self._footer = bytearray()

    def finish(self) -> None:
        """Write the seal and the footer."""
        footer = bytes(self._footer or b"")
        assert _footer_length(footer) == len(footer), "Arrow wrote more than a footer at the end"
        blocks = b"".join(map(_CRC.pack, self._blocks))
        sizes = (_BLOCK, self._length, len(footer))
        trailer = _TRAILER.pack(_MAGIC, *sizes, zlib.crc32(footer), zlib.crc32(blocks))
        self._pass_on(blocks + trailer + _CRC.pack(zlib.crc32(trailer)) + footer)

    @property
    def sha256(self) -> str:
        """SHA-256 of the file so far, as `sha256sum` prints it."""
        return self._sha256.hexdigest()

    def _pass_on(self, data: bytes) -> None:
        self._sha256.update(data)
        self._file.write(data)


def checked(file: BinaryIO) -> BinaryIO:
    """Return a file that holds the same bytes and, if they are sealed, checks those that are read.

    Raises:
        ChecksumError: the seal, or any of a small file's bytes, is not what was written. Reading raises it
            for the rest.
    """
    size = file.seek(0, io.SEEK_END)
    reader = _Parts(file, size)
    seal = _find_seal(reader, size)
    if size > _WHOLE:
        file.seek(0)
        return file if seal is None else cast(BinaryIO, _CheckedFile(reader, seal, size))
    content = reader.read(0, size)
    for number in range(0 if seal is None else len(seal.blocks)):
        assert seal is not None
        start, end = seal.span(number)
        seal.check(number, content[start:end])
    return io.BytesIO(content)


def digest(file: BinaryIO) -> str:
    """Return the SHA-256 of a file, after checking every byte that a seal covers.

    Raises:
        ChecksumError: some are not what was written.
    """
    sha256, reader = hashlib.sha256(), checked(file)
    reader.seek(0)
    while data := reader.read(_WHOLE):
        sha256.update(data)
    return sha256.hexdigest()


@dataclass(frozen=True)
class _Seal:
    """What a seal says."""

    block: int  # bytes
    length: int  # bytes before the seal
    blocks: tuple[int, ...]  # CRC-32 of each

    def span(self, number: int) -> tuple[int, int]:
        """Return where a block starts and ends."""
        return number * self.block, min((number + 1) * self.block, self.length)

    def check(self, number: int, data: bytes) -> None:
        """Raise ChecksumError if `data` is not the block that was written."""
        if zlib.crc32(data) != self.blocks[number]:
            start, end = self.span(number)
            raise ChecksumError(f"bytes {start:,} to {end - 1:,} are not those that were written")


class _Parts:
    """Reads parts of a file; keeps its end, or all of a small one."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = size
        self._end = b""  # of the file
        self._keep(min(size, _TAIL) if size > _WHOLE else size)

    def read(self, start: int, end: int) -> bytes:
        """Return the bytes from `start` to `end`."""
        kept = self._size - len(self._end)
        if start >= kept:
            return self._end[start - kept : end - kept]
        return self._read(start, end)

    def last(self, length: int) -> bytes:
        """Return the last bytes, and keep them."""
        if length > len(self._end):
            self._keep(length)
        return self._end[len(self._end) - length :]

    def _keep(self, length: int) -> None:
        self._end = self._read(self._size - length, self._size)

    def _read(self, start: int, end: int) -> bytes:
        self._file.seek(start)
        data = self._file.read(end - start)
        if len(data) < end - start:
            raise ChecksumError(f"it ends after {start + len(data):,} of {self._size:,} bytes")
        return data


def _find_seal(file: _Parts, size: int) -> _Seal | None:
    """Return the seal, None if there is none; check it and the footer."""
    fixed = _TRAILER.size + _CRC.size
    if size < _END + fixed:
        return None
    footer = min(_footer_length(file.last(_END)), size - fixed)
    end = file.last(min(size, footer + fixed))
    if not end.startswith(_MAGIC):
        # A flipped bit in the footer's length must not hide the seal
        if _MAGIC in file.last(min(size, _TAIL)):
            raise ChecksumError("its footer is not what was written")
        return None
    trailer, own_crc = end[: _TRAILER.size], end[_TRAILER.size : fixed]
    _, block, length, footer_length, footer_crc, blocks_crc = _TRAILER.unpack(trailer)
    if _CRC.pack(zlib.crc32(trailer)) != own_crc:
        raise ChecksumError("its seal is not what was written")
    listed = _CRC.size * -(-length // block)
    if footer_length != footer or length + listed + len(end) != size or zlib.crc32(end[fixed:]) != footer_crc:
        raise ChecksumError("its footer is not what was written")
    blocks = file.last(len(end) + listed)[:listed]
    if zlib.crc32(blocks) != blocks_crc:
        raise ChecksumError("its seal is not what was written")
    return _Seal(block, length, tuple(crc for (crc,) in _CRC.iter_unpack(blocks)))


def _footer_length(end: bytes) -> int:
    """Return the bytes of a Parquet footer, its length and `PAR1` included, from a file's last bytes."""
    return int.from_bytes(end[-_END : -_END + 4], "little") + _END


class _CheckedFile(io.RawIOBase):
    """A large sealed file; it reads whole blocks, and checks each."""

    def __init__(self, file: _Parts, seal: _Seal, size: int) -> None:
        super().__init__()
        self._file, self._seal, self._size = file, seal, size
        self._position = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return where the next byte is read."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a byte; return which."""
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = origin + offset
        return self._position

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes, all that are left by default."""
        start, left = self._position, max(self._size - self._position, 0)
        end = start + (left if size < 0 else min(size, left))
        self._position = end
        return b"".join(self._pieces(start, end))

    def _pieces(self, start: int, end: int) -> Iterator[bytes]:
        """Yield the bytes from `start` to `end` in pieces."""
        seal = self._seal
        covered = min(end, seal.length)
        if start < covered:
            first, last = start // seal.block, -(-covered // seal.block)
            origin = seal.span(first)[0]
            data = self._file.read(origin, seal.span(last - 1)[1])
            for number in range(first, last):
                begin, stop = seal.span(number)
                seal.check(number, data[begin - origin : stop - origin])
            yield data[start - origin : covered - origin]
        if end > seal.length:  # seal and footer, which are checked
            yield self._file.read(max(start, seal.length), end)
