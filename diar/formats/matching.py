"""Matching names of recordings between files, such as "dataset1/a.wav" in one and "a" in the other."""

from __future__ import annotations

import re
from collections.abc import Iterable

from diar.errors import DiarError

_SUFFIX = re.compile(r"(?<=[^/])\.\w{2,5}$")


class MatchError(DiarError):
    """A name that may mean two recordings."""


def match_names(wanted: Iterable[str], given: Iterable[str]) -> dict[str, str]:
    """Return for each given name the wanted name that it means, or itself where it means none.

    Equal names match. Of the rest, a name matches another without its suffix, its folders, or both: "a" means
    "x/a.wav", but "y/a.wav" does not.

    Raises:
        MatchError: a name may mean two others, or two names may mean the same one.
    """
    every_given = set(given)
    targets = set(wanted)
    matched = {name: name for name in targets & every_given}
    targets -= set(matched)
    shortened: dict[str, set[str]] = {}
    for name in targets:
        for form in _short_forms(name):
            shortened.setdefault(form, set()).add(name)
    taken: dict[str, str] = {}
    for name in sorted(every_given - set(matched)):
        fits = {form for form in _short_forms(name) if form in targets} or shortened.get(name, set())
        if len(fits) > 1:
            raise MatchError(f"{name} may mean {' or '.join(sorted(fits))}; give recordings the same names")
        for target in fits:
            if target in taken:
                raise MatchError(
                    f"{taken[target]} and {name} may both mean {target}; give recordings the same names"
                )
            taken[target] = name
        matched[name] = next(iter(fits), name)
    return matched


def _short_forms(name: str) -> set[str]:
    base = name.rpartition("/")[2]
    return {_SUFFIX.sub("", name), base, _SUFFIX.sub("", base)} - {name, ""}
