"""Turns as a short text that the page's script draws: about five characters a turn.

Times are in steps of 10 ms. A number is written in digits of 5 bits, the highest first, each a letter of
`_LETTERS`; all but the last have 32 added. A turn is three numbers: from the start of the turn before it to
its own, its length, its speaker.
"""

from __future__ import annotations

from collections.abc import Iterable

STEPS = 100  # in a second
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_BITS = 5


def turns_text(turns: Iterable[tuple[float, float, int]]) -> str:
    """Return turns (start, end in seconds from 0 on, number of the speaker) as a text, by start."""
    parts: list[str] = []
    before = 0
    for start, end, speaker in sorted(turns):
        first = max(0, round(STEPS * start))
        parts += (
            number_text(first - before),
            number_text(max(1, round(STEPS * end) - first)),
            number_text(speaker),
        )
        before = first
    return "".join(parts)


def number_text(number: int) -> str:
    """Return a number from 0 on as letters."""
    if number < len(_SHORT):
        return _SHORT[number]
    return _long(number)


def _long(number: int) -> str:
    letters = [_LETTERS[number & 31]]
    while number := number >> _BITS:
        letters.append(_LETTERS[32 | number & 31])
    return "".join(reversed(letters))


_SHORT = [_long(number) for number in range(4_096)]  # most numbers, ready made
