"""A recording by reference, as a message and as a job."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import unquote

from diar.archive.recording import ListingError, check_recording_id
from diar.connectors.kafka.errors import PoisonError
from diar.connectors.kafka.messages.checking import parse
from diar.connectors.kafka.messages.schemas import REFERENCE

_OF_SPEAKERS = ("num_speakers", "min_speakers", "max_speakers", "preset")
_OF_READING = ("channel", "track")


@dataclass(frozen=True)
class Reference:
    """One recording that somebody asks for.

    Attributes:
        id: names its outputs.
        audio: path or URL.
        revision: of the audio, in the sender's words.
        options: as the message has them, by name.
    """

    id: str
    audio: str
    revision: str | None = None
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def words(self) -> bool:
        """Whether words are asked for."""
        return bool(self.options.get("words"))

    @property
    def of_speakers(self) -> dict[str, Any]:
        """Return what is asked of the diarization."""
        return {name: value for name, value in self.options.items() if name in _OF_SPEAKERS}

    @property
    def of_reading(self) -> dict[str, Any]:
        """Return how the audio is read."""
        return {name: value for name, value in self.options.items() if name in _OF_READING}

    def fingerprint(self, versions: Mapping[str, Any]) -> str:
        """Return what the result depends on, as 64 hexadecimal digits."""
        text = json.dumps([asdict(self), versions], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def to_bytes(self) -> bytes:
        """Return the message's value."""
        revision = {} if self.revision is None else {"revision": self.revision}
        value = {"schema": REFERENCE, "id": self.id, "audio": self.audio, **revision, **self.options}
        return json.dumps(value, ensure_ascii=False).encode()


def parse_reference(key: bytes | None, value: bytes | None, urls: Sequence[str]) -> Reference:
    """Return the reference of a message.

    Args:
        key: of the message, which must be the id: copies of a reference meet in one partition then.
        value: of the message.
        urls: beginnings of audio URLs that may be read; empty = all.

    Raises:
        PoisonError: `schema` or `forbidden`.
    """
    fields = parse(value, REFERENCE)
    del fields["schema"]
    reference = Reference(fields.pop("id"), fields.pop("audio"), fields.pop("revision", None), fields)
    try:
        check_recording_id(reference.id, REFERENCE)
    except ListingError as error:
        raise PoisonError("schema", str(error)) from None
    if key != reference.id.encode():
        raise PoisonError("schema", f"{REFERENCE}: the message's key must be its id, {reference.id!r}")
    _check_url(reference.audio, urls)
    return reference


def _check_url(audio: str, urls: Sequence[str]) -> None:
    """Refuse a URL that is not below an allowed beginning; `..` could leave it."""
    if not urls:
        return
    plain = unquote(unquote(audio))
    inside = any(audio.startswith(beginning) for beginning in urls)
    if not inside or ".." in plain.split("/") or "\\" in plain or "::" in plain or not plain.isprintable():
        raise PoisonError("forbidden", f"this audio may not be read; `urls` allows {', '.join(urls)}")
