"""The table of benchmarks/startup.py: a row for each command and kind, a column for each figure and side."""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import dataclass, field

LARGEST = 4  # packages that are named


@dataclass
class Measured:
    """The runs of a command, and the seconds of its imports by package."""

    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    without_work: list[float] = field(default_factory=list)
    imports: Counter[str] = field(default_factory=Counter)


def print_head(sides: list[str]) -> None:
    titles = [f"{side} {title}".strip() for title in ("seconds", "CPU", "own", "imports") for side in sides]
    print(f"| command | kind | {' | '.join(titles)} | largest imports, s |")
    print("|" + "---|" * (3 + len(titles)))


def print_row(title: str, kind: str, measured: dict[str, Measured], torch: Measured | None) -> None:
    """Print what was measured of a command on each side.

    Args:
        title: of the command.
        kind: warm, or how cold.
        measured: by side.
        torch: of importing it, where the command does.
    """
    of = list(measured.values())
    cells = [spread(one.seconds) for one in of]
    cells += [f"{statistics.median(one.cpu):.2f}" for one in of]
    cells += [own(one, torch) for one in of]
    cells += [f"{one.imports.total():.2f}" if one.imports else "" for one in of]
    print(f"| {title} | {kind} | {' | '.join(cells)} | {largest(measured)} |")


def own(measured: Measured, torch: Measured | None) -> str:
    """Return the seconds without work and without importing torch."""
    if torch is None or not torch.seconds:
        return ""
    return f"{statistics.median(measured.without_work) - statistics.median(torch.seconds):.2f}"


def spread(seconds: list[float]) -> str:
    """Return the median, with the least and the greatest."""
    if len(seconds) == 1:
        return f"{seconds[0]:.2f}"
    return f"{statistics.median(seconds):.2f} ({min(seconds):.2f}–{max(seconds):.2f})"


def largest(measured: dict[str, Measured]) -> str:
    """Name the packages whose imports take most, on each side."""
    told = []
    for side, one in measured.items():
        named = [f"{package} {seconds:.2f}" for package, seconds in one.imports.most_common(LARGEST)]
        if named:
            told.append(f"{side}: {', '.join(named)}" if side else ", ".join(named))
    return "; ".join(told)
