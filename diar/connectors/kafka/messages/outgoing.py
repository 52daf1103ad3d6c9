"""Messages that a worker sends."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from diar.connectors.kafka.messages.schemas import AUDIO, DEAD, DONE

Headers = dict[str, str | bytes | None]  # as the client takes them

ATTEMPTS, DUE = "attempts", "due"  # headers of a reference that is tried again
_LONGEST = 2_000  # characters of an error message


@dataclass(frozen=True)
class Outgoing:
    """One message; `partition` -1 = by its key."""

    topic: str
    key: bytes | None
    value: bytes | None
    partition: int = -1
    headers: Headers = field(default_factory=dict)


def dead_letter(topic: str, message: Any, reason: str, text: str, attempts: int, most: int) -> Outgoing:
    """Return the dead letter of a message: the original, and in its headers what went wrong.

    Args:
        topic: of dead letters.
        message: the original.
        reason: in one word.
        text: in words.
        attempts: how often it was tried.
        most: bytes of the original; of a larger one the first are kept.
    """
    value = message.value()
    headers: Headers = {f"original-{name}": value or b"" for name, value in message.headers() or ()}
    headers |= {
        "schema": DEAD,
        "reason": reason,
        "message": text[:_LONGEST],
        "attempts": str(attempts),
        "topic": message.topic(),
        "partition": str(message.partition()),
        "offset": str(message.offset()),
        "time": f"{time.time():.3f}",
    }
    if value is not None and len(value) > most:
        value, headers["cut_from"] = value[:most], str(len(value))
    return Outgoing(topic, message.key(), value, message.partition(), headers)


def done_record(topic: str, message: Any, fingerprint: str) -> Outgoing:
    """Return what makes a copy of a reference be left out."""
    value = json.dumps({"schema": DONE, "fingerprint": fingerprint}).encode()
    return Outgoing(topic, message.key(), value, message.partition())


def another_try(topic: str, message: Any, attempts: int, due: float) -> Outgoing:
    """Return a reference as it is tried again; `due` in seconds since the epoch."""
    headers: Headers = {ATTEMPTS: str(attempts), DUE: f"{due:.3f}"}
    return Outgoing(topic, message.key(), message.value(), message.partition(), headers)


def audio_headers(form: Mapping[str, Any], sequence: int, end: bool = False) -> Headers:
    """Return the headers of a message of samples; `form` has format, rate and channels."""
    headers: Headers = {name: str(value) for name, value in form.items()}
    return {"schema": AUDIO, **headers, "sequence": str(sequence), "end": "true" if end else "false"}
