"""The turns of `all.rttm`, a recording at a time: the file may be larger than memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from diar.formats.rttm import from_rttm_id

SpokenTurn = tuple[float, float, str]  # start, end in seconds, speaker


class RttmLines:
    """Reads the lines that `format_rttm` wrote, in the order of the recordings."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self._next = next(self._lines, "")

    @classmethod
    @contextmanager
    def open(cls, path: Path) -> Iterator[RttmLines]:
        """Open a file; one that is missing has no lines."""
        if not path.exists():
            yield cls(())
            return
        with path.open(encoding="utf-8", newline="\n") as file:
            yield cls(file)

    def take(self, rttm_id: str, most: int) -> list[str]:
        """Return the next recording's lines, at most `most`; none where the next ones are of another."""
        start = f"SPEAKER {rttm_id} "
        taken: list[str] = []
        while len(taken) < most and self._next.startswith(start):
            taken.append(self._next)
            self._next = next(self._lines, "")
        return taken


def speaking(lines: Iterable[str]) -> list[str]:
    """Return the names in lines, each once."""
    return [from_rttm_id(name) for name in dict.fromkeys(line.split(" ")[7] for line in lines)]


def spoken_turns(lines: Iterable[str], origin: float) -> list[SpokenTurn]:
    """Parse lines; times count from `origin`, seconds on the lines' clock."""
    turns = []
    for line in lines:
        fields = line.split(" ")
        start = float(fields[3]) - origin
        turns.append((start, start + float(fields[4]), from_rttm_id(fields[7])))
    return turns
