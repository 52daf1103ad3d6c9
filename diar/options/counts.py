"""Options that are a number of things, or `auto`."""

from __future__ import annotations

from typing import Any, Literal


def count_or_auto(value: Any, things: str) -> int | Literal["auto"]:
    """Return a count from 1 on as a number, and `auto` as it is.

    Raises:
        ValueError: anything else; pydantic shows it as an error of the option.
    """
    if value == "auto":
        return "auto"
    try:
        count = int(value)
    except (TypeError, ValueError):
        count = 0
    if count < 1 or str(count) != str(value):
        raise ValueError(f"is 'auto' or a number of {things}, at least 1")
    return count
