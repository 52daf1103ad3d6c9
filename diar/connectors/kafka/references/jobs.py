"""What goes to the process that computes references, and what comes back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from diar.connectors.kafka.messages.reference import Reference


@dataclass(frozen=True)
class Setup:
    """What the process opens, and where it publishes."""

    output_dir: str
    model: str
    segmentation: str
    device: str
    precision: str
    asr: str | None  # None = no words
    threads: int


@dataclass(frozen=True)
class Job:
    """One reference to compute."""

    number: int
    reference: Reference
    fingerprint: str


@dataclass(frozen=True)
class Computed:
    """A job's result: the message's value, and the seconds of audio that were computed for it."""

    number: int
    value: bytes
    audio_seconds: float  # 0 where it was published before


@dataclass(frozen=True)
class Failed:
    """Why a job has no result.

    Attributes:
        number: of the job.
        reason: in one word.
        message: in words.
        again: whether another try may help.
    """

    number: int
    reason: str
    message: str
    again: bool


@dataclass(frozen=True)
class Ready:
    """The networks are open: what they are.

    Attributes:
        versions: of program, networks and thresholds.
        with_words: the same and the recogniser's; None = there is none.
    """

    versions: dict[str, Any]
    with_words: dict[str, Any] | None


@dataclass(frozen=True)
class Broken:
    """The networks cannot be opened."""

    message: str


Answer = Computed | Failed | Ready | Broken
