"""Amounts and names in words: plurals, thousands, durations, bytes, and the name that was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_IRREGULAR = {"person": "people", "boundary": "boundaries", "is": "are", "has": "have", "was": "were"}
_BYTE_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")
_NEAR, _NEAR_BEGINNING = 0.7, 0.85  # likeness from which a name is suggested


def plural(count: int, word: str) -> str:
    """Return `word` as it follows a count, and its verb: file and is for 1, files and are for others."""
    return word if count == 1 else _IRREGULAR.get(word, f"{word}s")


def counted(count: int, words: str) -> str:
    """Return a count with words of which the last fits it: `1 recording`, `1,234 other files`."""
    *before, last = words.split(" ")
    return " ".join([f"{count:,}", *before, plural(count, last)])


def duration(seconds: float) -> str:
    """Return seconds as `4.2 s`, `36 s`, `12.5 min`, `5.6 h` or `12,346 h`."""
    if seconds < 59.5:
        return f"{seconds:.1f} s" if 0 < seconds < 9.95 else f"{seconds:.0f} s"
    minutes, hours = seconds / 60, seconds / 3600
    if minutes < 59.95:
        return f"{minutes:.1f} min"
    return f"{hours:,.1f} h" if hours < 999.95 else f"{hours:,.0f} h"


def times(speed: float) -> str:
    """Return a multiple of real time as `0.35 ×`, `8.5 ×` or `1,234 ×`."""
    digits = 2 if speed < 0.995 else 1 if speed < 9.95 else 0
    return f"{speed:,.{digits}f} ×"


def size(count: float) -> str:
    """Return bytes as `532 bytes`, `1.23 MB` or `45.6 GB`: units of 1000, three digits."""
    unit = 0
    while count >= 999.5 and unit < len(_BYTE_UNITS) - 1:
        count, unit = count / 1000, unit + 1
    if unit == 0:
        return counted(round(count), "byte")
    digits = 2 if count < 9.995 else 1 if count < 99.95 else 0
    return f"{count:,.{digits}f} {_BYTE_UNITS[unit]}"


def nearest(word: str, names: Iterable[str], likeness: float = _NEAR) -> str | None:
    """Return the name that `word` probably stands for, None where no name is so like it (1: the same)."""
    word, known = _folded(word), {_folded(name): name for name in reversed(list(names))}
    beginnings = {name[: len(word) + 1]: full for name, full in known.items()}  # `camplus` for campplus-zh-en
    for possible, least in ((known, likeness), (beginnings, max(likeness, _NEAR_BEGINNING))):
        if found := difflib.get_close_matches(word, possible, n=1, cutoff=least):
            return possible[found[0]]
    return None


def did_you_mean(word: str, names: Iterable[str], shown: str = "{}") -> str:
    """Return `; did you mean NAME?` as an end for a message, empty where no name is like `word`.

    Args:
        word: what was given.
        names: what is possible.
        shown: how a name is written, such as `--{}`.
    """
    name = nearest(word, names)
    return "" if name is None else f"; did you mean {shown.format(name)}?"


def _folded(word: str) -> str:
    """Return a word without what is easily mistaken: case, `-` for `_`."""
    return word.lower().replace("-", "_").strip("_")
