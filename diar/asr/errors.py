"""Errors of recognition."""

from diar.errors import DiarError


class RecognitionError(DiarError):
    """A recogniser that cannot be opened, or that failed: no recording can be recognised."""


class UnrecognisedError(RecognitionError):
    """A recogniser that failed at this recording; others may do."""
