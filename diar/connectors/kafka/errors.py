"""What goes wrong between a broker and us."""

from __future__ import annotations

from diar.errors import DiarError


class StreamError(DiarError):
    """The broker cannot be used so, or a worker cannot go on; the message says what to do."""


class PoisonError(DiarError):
    """A message that will never be understood or computed; it belongs to the dead letters.

    Attributes:
        reason: in one word, such as `schema`.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class LostPartitions(Exception):
    """Somebody else has the partitions now: what was computed is not sent."""
