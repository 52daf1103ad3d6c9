"""Tables that the page's script sorts, searches and divides into pages: their columns as compact JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

# How the script shows a value (a missing one is None): a text; one of few texts; a name that may be long,
# such as a path; such a name that leads to its row in the table's target; a number; a share; seconds;
# a number of `Names`; numbers of `Names`; turns (`turns_text`)
Kind = Literal["text", "choice", "path", "entry", "number", "share", "seconds", "person", "people", "turns"]


_DECIMALS = 6  # of any number


class Names:
    """People's names by number, each with its colour; a name is stored once, however often it is used."""

    def __init__(self) -> None:
        self._number: dict[str, int] = {}

    def number(self, name: str) -> int:
        """Return the number of a name, a new one where it has none."""
        return self._number.setdefault(name, len(self._number))

    def __len__(self) -> int:
        return len(self._number)

    @property
    def all(self) -> list[str]:
        """Names by number."""
        return list(self._number)


@dataclass(frozen=True)
class Column:
    """One column: its values by row."""

    title: str
    kind: Kind
    values: Sequence[Any]
    minor: bool = False  # left out on a narrow screen
    decimals: int = 0
    more: bool = False  # shown only when a row is opened

    @property
    def is_void(self) -> bool:
        """Whether it is shown in opened rows only, and says nothing in any."""
        return self.more and not any(self.values)

    def as_json(self) -> dict[str, Any]:
        """Return the fields that the script reads; texts of a choice are stored once."""
        values: Any = [round(v, _DECIMALS) if isinstance(v, float) else v for v in self.values]
        if self.kind == "choice":
            numbers = {text: number for number, text in enumerate(dict.fromkeys(values))}
            values = {"of": list(numbers), "is": [numbers[text] for text in values]}
        options = {"minor": self.minor, "decimals": self.decimals, "more": self.more}
        given = {name: value for name, value in options.items() if value}
        return {"title": self.title, "kind": self.kind, **given, "values": values}


@dataclass(frozen=True)
class DataTable:
    """One table.

    Attributes:
        name: of its place in the page (`table_place`).
        thing: what a row is.
        things: the same in the plural, for the search field and the count.
        columns: all of the same length.
        order: column by which the rows are sorted at first, and whether downwards; None = as given.
        target: table whose rows are shown when a person's or an entry's name is clicked.
        files: names of files by row that an opened row links to, see `RowFiles`.
    """

    name: str
    thing: str
    things: str
    columns: Sequence[Column]
    order: tuple[int, bool] | None = None
    target: str | None = None
    files: RowFiles | None = None

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.columns[0].values)

    def as_json(self) -> dict[str, Any]:
        """Return the fields that the script reads."""
        return {
            "thing": self.thing,
            "things": self.things,
            "rows": self.rows,
            "order": self.order,
            "target": self.target,
            "columns": [column.as_json() for column in self.columns if not column.is_void],
            "files": None if self.files is None else self.files.as_json(),
        }


@dataclass
class RowFiles:
    """A folder of files for each row; equal lists of names are stored once."""

    folders: list[str] = field(default_factory=list)  # relative to the page; "" = none
    _sets: dict[tuple[str, ...], int] = field(default_factory=dict)
    _set_of_row: list[int] = field(default_factory=list)

    def add(self, folder: str, names: Sequence[str]) -> None:
        """Append the files of the next row."""
        self.folders.append(folder)
        self._set_of_row.append(self._sets.setdefault(tuple(names), len(self._sets)))

    def as_json(self) -> dict[str, Any]:
        """Return the fields that the script reads."""
        return {
            "folders": self.folders,
            "sets": [list(names) for names in self._sets],
            "is": self._set_of_row,
        }
