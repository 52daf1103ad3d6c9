"""Rows of a table that may be larger than a page should be."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar

RowT = TypeVar("RowT")


@dataclass
class KeptRows(Generic[RowT]):
    """At most `most` rows in their order: first those that need a look, then the others as they came.

    Attributes:
        most: rows.
        total: rows that were offered.
    """

    most: int
    total: int = 0
    _needy: list[tuple[int, RowT]] = field(default_factory=list)
    _plain: list[tuple[int, RowT]] = field(default_factory=list)

    def wants(self, needy: bool) -> bool:
        """Count a row; return whether to `add` it."""
        self.total += 1
        return len(self._needy if needy else self._plain) < self.most

    def add(self, row: RowT, needy: bool) -> None:
        """Keep the row that was counted last."""
        (self._needy if needy else self._plain).append((self.total, row))

    @property
    def rows(self) -> list[RowT]:
        """The rows that stay, in the order in which they came."""
        chosen = self._needy + self._plain[: self.most - len(self._needy)]
        return [row for _, row in sorted(chosen, key=lambda numbered: numbered[0])]

    def note(self, things: str, source: str) -> list[str]:
        """Say what is missing; nothing where all rows are there."""
        if self.total <= self.most:
            return []
        return [
            f"This page shows {self.most:,} of {self.total:,} {things}: those that need a look, then the "
            f"first ones. All of them are in {source}."
        ]
