"""Errors of recognition."""

from diar.errors import DiarError


class RecognitionError(DiarError):
    """A recogniser that cannot be opened, or that failed."""
