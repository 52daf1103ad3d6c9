"""The turns of a stream that never change, in columns."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterator, Mapping

import numpy as np

from diar.online.events import LiveTurn

COLUMNS = {"id": "q", "speaker": "q", "start": "d", "end": "d", "confidence": "d"}  # type codes of `array`


class FinalTurns:
    """Final turns in the order in which they were added: 40 bytes each, since a day has 30 000.

    Args:
        columns: as `columns` returned them.
        overlaps: as in `overlaps`.

    Attributes:
        overlaps: other speakers within a turn, by its number; turns without them are not in it.
    """

    def __init__(
        self,
        columns: Mapping[str, np.ndarray] | None = None,
        overlaps: Mapping[int, tuple[str, ...]] | None = None,
    ) -> None:
        given = {} if columns is None else {name: columns[name].tolist() for name in COLUMNS}
        self._columns = {name: array(code, given.get(name, ())) for name, code in COLUMNS.items()}
        self.overlaps = dict(overlaps or {})

    def __len__(self) -> int:
        return len(self._columns["id"])

    def __iter__(self) -> Iterator[LiveTurn]:
        for number, speaker, start, end, confidence in zip(*self._columns.values(), strict=True):
            yield LiveTurn(
                number, str(speaker), start, end, self.overlaps.get(number, ()), confidence, final=True
            )

    def append(self, turn: LiveTurn) -> None:
        """Add a turn."""
        values = (turn.id, int(turn.speaker), turn.start, turn.end, turn.confidence)
        for column, value in zip(self._columns.values(), values, strict=True):
            column.append(value)
        if turn.overlaps:
            self.overlaps[turn.id] = turn.overlaps

    def columns(self) -> dict[str, np.ndarray]:
        """Return a copy of each of `COLUMNS`, (n,)."""
        return {name: np.array(column, column.typecode) for name, column in self._columns.items()}

    def forget(self, count: int) -> None:
        """Drop the first so many turns."""
        for number in self._columns["id"][:count]:
            self.overlaps.pop(number, None)
        for column in self._columns.values():
            del column[:count]

    def speakers(self) -> dict[int, str]:
        """Return the speaker of each turn, by number."""
        pairs = zip(self._columns["id"], self._columns["speaker"], strict=True)
        return {number: str(speaker) for number, speaker in pairs}

    def spans(self, speaker: str) -> np.ndarray:
        """Return start and end of a speaker's turns, (n, 2) seconds."""
        found = self.columns()
        own = found["speaker"] == int(speaker)
        return np.column_stack([found["start"][own], found["end"][own]])

    def rename(self, old: str, new: str) -> None:
        """Give the turns of one speaker to another, and the overlaps with it."""
        owners = dict(zip(self._columns["id"], self._columns["speaker"], strict=True))
        changed = {
            number: renamed(others, old, new, str(owners[number])) for number, others in self.overlaps.items()
        }
        self.overlaps = {number: others for number, others in changed.items() if others}
        self._give(self.columns()["speaker"] == int(old), new)

    def hand_over(self, numbers: Collection[int], speaker: str) -> None:
        """Give some turns to a speaker."""
        self._give(np.isin(self.columns()["id"], list(numbers)), speaker)

    def _give(self, chosen: np.ndarray, speaker: str) -> None:
        for row in np.flatnonzero(chosen).tolist():
            self._columns["speaker"][row] = int(speaker)


def renamed(overlaps: tuple[str, ...], old: str, new: str, own: str) -> tuple[str, ...]:
    """Return who talks within a turn of the speaker `own`, once `old` is `new`."""
    return tuple(sorted({new if name == old else name for name in overlaps} - {own}))
