"""What reading the description of a network stumbles over where it is not what it should be."""

from __future__ import annotations

from diar.errors import explain

BROKEN = (KeyError, TypeError, ValueError, AttributeError, OverflowError, OSError)


def what_is_wrong(error: BaseException) -> str:
    """Return what is wrong with a description, of the errors in `BROKEN`."""
    if isinstance(error, KeyError):
        return f"{error.args[0]} is missing"
    return explain(error) if isinstance(error, OSError) else str(error)
