"""Which recordings get a picture of their own, and the sheets on which the others stand together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from diar.formats.turns_json import RecordingTurns
from diar.outputs.managed_directory import Entry, OutputDirectory
from diar.plots.contact_sheet import MOST_ON_SHEET, SHEET_NAME, draw_contact_sheet

Timelines = Literal["auto", "all", "none"]

_SHORT = 30.0  # seconds of a recording that is seen well enough on a line of a sheet
_FEW = 3  # recordings that need no sheet


def is_worth_a_timeline(recordings: int, speakers: int, duration: float, has_reference: bool) -> bool:
    """Return whether one of so many recordings gets a picture of its own with `timelines=auto`."""
    return recordings <= _FEW or has_reference or (speakers > 1 and duration >= _SHORT)


class ContactSheets:
    """Draws recordings on sheets, as many as fit, in the order in which they are added.

    Args:
        recordings: how many will be added.
        numbers: of the colours of all people of the archive (`style.number_names`).
    """

    def __init__(self, recordings: int, numbers: Mapping[str, int]) -> None:
        self._recordings, self._numbers = recordings, numbers
        self._waiting: list[RecordingTurns] = []
        self._drawn = 0

    @property
    def entries(self) -> list[Entry]:
        """The files that will be written."""
        sheets = -(-self._recordings // MOST_ON_SHEET)
        return [Entry("file", SHEET_NAME.format(number + 1)) for number in range(sheets)]

    def add(self, result: RecordingTurns, output: OutputDirectory) -> None:
        """Add a recording; write a sheet where it is full, or this is the last recording."""
        self._waiting.append(result)
        added = self._drawn + len(self._waiting)
        if len(self._waiting) == MOST_ON_SHEET or added == self._recordings:
            name = SHEET_NAME.format(self._drawn // MOST_ON_SHEET + 1)
            sheet = draw_contact_sheet(self._waiting, self._numbers, self._drawn, self._recordings)
            output.write(name, sheet)
            self._drawn, self._waiting = added, []
