"""One audio file for the decoders, and the error that tells why it cannot be decoded."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal, NamedTuple

import numpy as np

from diar import storage
from diar.errors import DiarError

if TYPE_CHECKING:
    from diar.remote.ranged import RangedFile

FailureKind = Literal[
    "missing", "unreadable", "empty", "undecodable", "no_audio", "bad_channel", "bad_track", "stalled"
]

_SPECIAL = {stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFDIR: "a folder"}  # else a device

# One channel, the mean of some, or (None) of all
Channels = int | tuple[int, ...] | None

# Samples (of all channels together) in a decoder's block: 65 s of 16 kHz mono, 11 s of 48 kHz stereo
BLOCK_SAMPLES = 1 << 20
RATES = range(1_000, 1_000_001)  # Hz; a rate outside means a damaged header


class DecodeError(DiarError):
    """A recording cannot be decoded.

    Attributes:
        kind: `missing`, `unreadable` (permission, input/output error, a pipe or device), `empty` (no
            samples), `undecodable`, `no_audio` (say, a video without sound), `bad_channel`, `bad_track`,
            `stalled` (reading or decoding it came to no end).
    """

    def __init__(self, kind: FailureKind, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Note(NamedTuple):
    """Something unusual about a file."""

    kind: str  # many notes of one kind are summarised
    at: int | None  # sample of the file where it is, None if it concerns the whole file
    text: str


@dataclass(frozen=True)
class AudioFile:
    """An audio file that exists and is not empty.

    Attributes:
        url: its name in messages.
        content: a local path; of a remote file its bytes, or what reads them in blocks.
        head: its first 128 bytes.
        size: bytes.
    """

    url: str
    content: Path | bytes | RangedFile
    head: bytes = b""
    size: int = 0

    @classmethod
    def find(cls, url: str) -> AudioFile:
        """Look at a local file, or fetch a remote one.

        Raises:
            DecodeError: `missing`, `unreadable`, `empty`.
        """
        path = storage.local_path(url)
        file = cls(url, path if path is not None else b"")
        with file.reading():
            if path is None:
                file = cls(url, storage.open_ranged(url) or storage.read_bytes(url))
        return file._measured()

    @classmethod
    def of_copy(cls, url: str, copy: Path) -> AudioFile:
        """Return the file at `url`, whose bytes a local `copy` has.

        Raises:
            DecodeError: `empty`.
        """
        return cls(url, copy)._measured()

    @classmethod
    def of_bytes(cls, name: str, content: bytes) -> AudioFile:
        """Return the file whose bytes are at hand; `name` stands in messages.

        Raises:
            DecodeError: `empty`.
        """
        return cls(name, content)._measured()

    def _measured(self) -> AudioFile:
        with self.open() as handle, self.reading():
            head, size = handle.read(128), handle.seek(0, 2)
        if not head:
            raise self.error("empty", "0 bytes; copy it again or leave it out")
        return replace(self, head=head, size=size)

    def open(self) -> BinaryIO:
        """Return a new handle on the bytes.

        Raises:
            DecodeError: `missing`, `unreadable`.
        """
        if isinstance(self.content, bytes):
            return io.BytesIO(self.content)
        if not isinstance(self.content, Path):
            return self.content.open(quiet=True)  # libsndfile and FFmpeg cannot pass errors on
        with self.reading():
            mode = self.content.stat().st_mode
            if not stat.S_ISREG(mode):  # reading a pipe waits for ever, and some devices give bytes for ever
                what = _SPECIAL.get(stat.S_IFMT(mode), "a device")
                raise self.error("unreadable", f"is {what}, not a file; leave it out")
            return open(self.content, "rb", opener=_without_waiting)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Turn errors of the operating system into a DecodeError, `missing` or `unreadable`.

        An error of a remote file, which decoders take for its end, is raised instead of what they make of it.
        """
        try:
            try:
                yield
            finally:
                self._raise_failure()
        except FileNotFoundError:
            raise self.error("missing", "does not exist (any more)") from None
        except OSError as error:
            reason = error.strerror or str(error)
            raise self.error(
                "unreadable", f"cannot be read: {reason}; check its permissions and the disk"
            ) from error

    def _raise_failure(self) -> None:
        if not isinstance(self.content, Path | bytes) and self.content.failure is not None:
            raise self.content.failure from None

    def error(self, kind: FailureKind, reason: str) -> DecodeError:
        """Return a DecodeError that names this file."""
        return DecodeError(kind, f"{self.url}: {reason}")


def _without_waiting(path: str, flags: int) -> int:
    """Open a file; a pipe that has become its path since it was looked at does not wait for a writer."""
    return os.open(path, flags | os.O_NONBLOCK)


class Nameless:
    """The part of a file object that FFmpeg needs, without the name, which need not be valid UTF-8."""

    def __init__(self, file: BinaryIO) -> None:
        self.read, self.seek, self.tell = file.read, file.seek, file.tell


def pick_channel(samples: np.ndarray, channel: Channels) -> np.ndarray:
    """Return one channel of (channels, n) float32, the mean of some, or (None) of all; (n,) float32."""
    if isinstance(channel, tuple):
        samples = samples[list(channel)]
    elif channel is not None:
        return samples[channel]
    if len(samples) == 1:
        return samples[0]
    total = samples[0] + samples[1]
    for more in samples[2:]:  # five times as fast as mean(axis=0) on interleaved channels
        total += more
    return total * np.float32(1 / len(samples))
