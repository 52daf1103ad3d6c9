"""One recording of an archive, its id, and the natural order of ids."""

from __future__ import annotations

import re
from dataclasses import dataclass

from diar.errors import DiarError

AUDIO_SUFFIXES = frozenset(
    (
        *("wav", "wave", "w64", "rf64", "bwf", "aiff", "aif", "aifc", "au", "snd", "caf", "sph", "nist"),
        *("flac", "mp3", "mp2", "ogg", "oga", "opus", "spx", "m4a", "m4b", "aac", "ac3", "wma", "amr", "awb"),
        *("ape", "wv", "mp4", "m4v", "mov", "3gp", "3g2", "mkv", "mka", "webm", "wmv", "asf", "mpg", "mpeg"),
        "avi",
    )
)
_LONGEST_ID = 2_000  # characters; a path with the output's folder before it has 4,096 bytes at most
_SHOWN = 200  # characters
_NUMBER = re.compile("[0-9]+")


class ListingError(DiarError):
    """The source does not exist, or a list of recordings has a mistake."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One recording: a file, or a part of one.

    Attributes:
        recording_id: path relative to the archive's root, or the id in a wav.scp; key of all outputs.
            Valid UTF-8, never absolute, without `..`. Other bytes in a file's name appear as `\\xNN`.
        url: what `storage.open_binary` opens. Valid UTF-8, too: names that are not become `file://` URLs.
        size: bytes; of a part at most its size as 16 kHz PCM.
        mtime: seconds since the epoch, 0.0 if the storage does not tell.
        offset: seconds at which the part starts.
        duration: its length in seconds, None = to the end of the file.
        num_speakers: according to the list that names the recording; None if it does not tell.
        label: name of the only speaker, according to that list.
        reference: URL of an RTTM file with the true turns, according to that list, in times of the file.
    """

    recording_id: str
    url: str
    size: int
    mtime: float
    offset: float = 0.0
    duration: float | None = None
    num_speakers: int | None = None
    label: str | None = None
    reference: str | None = None


def has_audio_suffix(name: str) -> bool:
    """Return whether a file name says that the file holds audio (or video, which may)."""
    stem, _, suffix = name.rpartition(".")
    return bool(stem) and suffix.lower() in AUDIO_SUFFIXES


def natural_key(path: str) -> str:
    """Return a string that compares as `path` does in natural order.

    Put each number's length, without leading zeros, before the number. Use one string a path: tuples of parts
    (natsort) take four times the time and memory for a million paths.
    """
    return _NUMBER.sub(_with_length, path).replace("/", "\0")


def _with_length(number: re.Match[str]) -> str:
    digits = number[0].lstrip("0")
    return "0" + chr(len(digits)) + digits


def check_recording_id(recording_id: str, where: str) -> None:
    """Refuse ids that would lead out of the output directory.

    Args:
        recording_id: as given by the user.
        where: file and line, for the message.

    Raises:
        ListingError: it is empty, absolute, has a `..` part, or is too long for a path.
    """
    absolute, parts = recording_id.startswith("/"), recording_id.split("/")
    if not recording_id or absolute or ".." in parts or len(recording_id) > _LONGEST_ID:
        raise ListingError(
            f"{where}: {recording_id[:_SHOWN]!r} cannot name a recording; use one that is relative, without "
            f"'..' and of at most {_LONGEST_ID:,} characters"
        )
    check_text(recording_id, where)


def check_text(text: str | None, where: str) -> None:
    """Refuse text of a list that is none in UTF-8, as JSON's `\\ud800` is, or holds a NUL byte.

    Raises:
        ListingError: names the place.
    """
    if text is not None and ("\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text)):
        raise ListingError(f"{where}: {text[:_SHOWN]!r} is not valid UTF-8, or holds a NUL byte")
