"""One audio file for the decoders, and the error that tells why it cannot be decoded."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple

import numpy as np

from diar import storage
from diar.errors import DiarError

FailureKind = Literal["missing", "unreadable", "empty", "undecodable", "no_audio", "bad_channel", "bad_track"]

# One channel, the mean of some, or (None) of all
Channels = int | tuple[int, ...] | None

# Samples (of all channels together) in a decoder's block: 65 s of 16 kHz mono, 11 s of 48 kHz stereo
BLOCK_SAMPLES = 1 << 20
RATES = range(1_000, 1_000_001)  # Hz; a rate outside means a damaged header


class DecodeError(DiarError):
    """A recording cannot be decoded.

    Attributes:
        kind: `missing`, `unreadable` (permission, input/output error), `empty` (no samples), `undecodable`,
            `no_audio` (say, a video without sound), `bad_channel`, `bad_track`.
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
        content: a local path, or the bytes of a remote file.
        head: its first 128 bytes.
        size: bytes.
    """

    url: str
    content: Path | bytes
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
                file = cls(url, storage.read_bytes(url))
        return file._measured()

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
        with self.reading():
            return self.content.open("rb")

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Turn errors of the operating system into a DecodeError, `missing` or `unreadable`."""
        try:
            yield
        except FileNotFoundError:
            raise self.error("missing", "does not exist (any more)") from None
        except OSError as error:
            reason = error.strerror or str(error)
            raise self.error(
                "unreadable", f"cannot be read: {reason}; check its permissions and the disk"
            ) from error

    def error(self, kind: FailureKind, reason: str) -> DecodeError:
        """Return a DecodeError that names this file."""
        return DecodeError(kind, f"{self.url}: {reason}")


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
