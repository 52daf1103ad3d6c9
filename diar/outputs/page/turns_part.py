"""What `task=turns` left in an output directory, for the page."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from diar.formats import spreadsheet
from diar.formats.document import ResultError
from diar.formats.html.elements import Section, facts, notes, table_place
from diar.formats.html.tables import Column, DataTable, Names
from diar.formats.rttm import ALL_NAME
from diar.formats.turns_json import TURNS_NAME, RecordingTurns, read_recording_turns
from diar.outputs.page.colors import name_colors
from diar.outputs.page.kept import KeptRows
from diar.outputs.page.recordings_table import WORDS_OLD, RecordingEntry, recordings_table, words_of
from diar.outputs.page.rttm_lines import RttmLines, speaking, spoken_turns
from diar.outputs.page.settings import clock_time, hours, settings
from diar.outputs.speakers_table import SPEAKERS_CSV
from diar.outputs.turns import NO_SPEECH, RECORDINGS_NAME
from diar.records import OK
from diar.wording import counted

MOST_RECORDINGS = 50_000
MOST_PEOPLE = 20_000
MOST_TURNS = 4_000_000  # of the page, about 20 MB; recordings beyond have no timeline


@dataclass
class TurnsPart:
    """The recordings, their turns and people.

    Attributes:
        root: the output directory.
        names: of people, shared by all tables of the page.
        kept: recordings that the page shows.
        made: when they were found, in words.
        settings: of the run, as one of its recordings tells them; or why they cannot be read.
    """

    root: Path
    names: Names
    kept: KeptRows[RecordingEntry]
    made: str
    settings: RecordingTurns | str = "no recording was diarized"
    seconds: float = 0.0
    speech: float = 0.0
    overlap: float = 0.0
    turns: int = 0
    failed: int = 0
    silent: int = 0
    warned: int = 0
    undrawn: int = 0  # recordings with turns for which no timeline was kept
    everybody: set[str] = field(
        default_factory=set
    )  # names of all people, enrolled ones who were not found, too
    words: list[str] = field(default_factory=list)  # of each kept recording, see `words_of`
    listed: list[dict[str, str]] = field(default_factory=list)  # rows of `speakers.csv`
    people: list[dict[str, str]] = field(default_factory=list)  # who were found, those who talk most first
    warnings: list[str] = field(default_factory=list)  # about the whole archive: no file holds them
    heard: dict[str, list[str]] = field(default_factory=dict)  # first and last recording of each person

    def head(self) -> str:
        """Return the figures of the whole archive."""
        values = [
            ("recordings", f"{self.kept.total:,}"),
            ("people", f"{len(self.people):,}"),
            ("audio", hours(self.seconds)),
            ("speech", hours(self.speech)),
            ("overlapped", f"{100 * self.overlap / self.speech if self.speech else 0.0:.1f} % of speech"),
            ("turns", f"{self.turns:,}"),
            ("without speech", f"{self.silent:,}"),
            ("failed", f"{self.failed:,}"),
        ]
        return f'<p class="quiet">Turns inside recordings, found on {self.made}</p>' + facts(values)

    def sections(self) -> list[Section]:
        """Return the parts of the page."""
        missing = self.kept.note("recordings", RECORDINGS_NAME)
        if self.undrawn:
            missing.append(f"{self.undrawn:,} of them have no timeline here; their folders hold the turns.")
        return [
            Section("people", "People", table_place("people")),
            Section("recordings", "Recordings", notes(missing) + table_place("recordings")),
        ]

    def colors(self) -> dict[str, str]:
        """Return the colour of each person of the archive."""
        return name_colors(self.everybody)

    def settings_html(self) -> str:
        """Return the settings of the run."""
        return settings("Turns inside recordings", self.settings)

    def tables(self) -> list[DataTable]:
        """Return the tables of `sections`."""
        return [self._people_table(), recordings_table(self.root, self.kept.rows, self.words)]

    def _people_table(self) -> DataTable:
        spoken = sum(float(person["speech_seconds"]) for person in self.people) or 1.0
        shown = self.people[:MOST_PEOPLE]
        columns = [
            Column("Person", "person", [self.names.number(person["name"]) for person in shown]),
            Column("Recordings", "number", [int(person["num_recordings"]) for person in shown]),
            Column("Speech", "seconds", [float(person["speech_seconds"]) for person in shown]),
            Column("Share", "share", [float(p["speech_seconds"]) / spoken for p in shown], decimals=1),
            Column("Turns", "number", [int(person["turns"]) for person in shown], minor=True),
            *(self._first_and_last(shown) if self.kept.total > 1 else []),
            Column("Enrolled", "choice", [person["known"] for person in shown], minor=True),
        ]
        return DataTable("people", "person", "people", columns, order=(2, True), target="recordings")

    def _first_and_last(self, people: Sequence[dict[str, str]]) -> list[Column]:
        heard = [self.heard.get(person["name"], [""]) for person in people]
        return [
            Column("First in", "entry", [recordings[0] for recordings in heard], minor=True),
            Column("Last in", "entry", [recordings[-1] for recordings in heard], minor=True),
        ]

    def listen(self, called: Mapping[str, str]) -> dict[str, Any]:
        """Return what the page's script needs to play recordings and to name people.

        Args:
            called: new names of people, by those that the turns have.
        """
        listed = {row["name"]: row for row in self.listed}
        rows = [listed.get(name) for name in self.names.all]
        return {
            "root": str(self.root.resolve()),
            "made": self.made,
            "ids": [row and row["speaker_id"] for row in rows],
            "enrolled": [n for n, row in enumerate(rows) if row and row["known"] == "yes"],
            "inTurns": self.names.all if called else None,
            "taken": [called.get(name, name) for name in sorted(self.everybody - set(self.names.all))],
        }


def read_turns(root: Path, names: Names) -> TurnsPart | None:
    """Read the recordings of an output directory; None where `task=turns` left none.

    Memory grows with the recordings that the page shows, not with the archive.

    Raises:
        ResultError: a table cannot be read.
    """
    path = root / RECORDINGS_NAME
    if not path.exists():
        return None
    part = TurnsPart(root, names, KeptRows(MOST_RECORDINGS), clock_time(path))
    try:
        _read(part)
    except (ValueError, KeyError, TypeError, IndexError, csv.Error) as error:
        raise ResultError(f"{path}, {ALL_NAME} or {SPEAKERS_CSV} is damaged: {error!r}") from None
    return part


def _read(part: TurnsPart) -> None:
    """Read recordings and people; ValueError and the like where a file is damaged."""
    root, names, drawn = part.root, part.names, 0
    part.listed = list(_rows(root / SPEAKERS_CSV))
    part.everybody = {row["name"] for row in part.listed}
    part.people = [row for row in part.listed if int(row["num_recordings"])]
    with RttmLines.open(root / ALL_NAME) as lines:
        for row in _rows(root / RECORDINGS_NAME):
            if row["status"] == OK and isinstance(part.settings, str):
                part.settings = _settings(root / row["folder"])
            _count(part, row)
            taken = lines.take(row["rttm_id"], int(row["turns"] or 0))
            _hear(part, row["recording_id"], taken)
            needy = row["status"] != OK or bool(row["warnings"])
            if not part.kept.wants(needy):
                continue
            if drawn + len(taken) > MOST_TURNS:
                part.undrawn += 1
                taken = []
            drawn += len(taken)
            entry = RecordingEntry.of(row, spoken_turns(taken, _origin(part, row)), names, _origin(part, row))
            part.kept.add(entry, needy)
    part.everybody.update(names.all)  # where the tables do not agree
    part.words = [words_of(root / one.folder) if one.folder else "" for one in part.kept.rows]
    if old := part.words.count(WORDS_OLD):
        whose = counted(old, "recording")
        part.warnings.append(f"the words of {whose} are older than the turns: run `diar words` again")


def _hear(part: TurnsPart, recording_id: str, lines: list[str]) -> None:
    """Note who speaks in a recording."""
    for name in speaking(lines):
        part.heard.setdefault(name, [recording_id])[1:] = [recording_id]


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from spreadsheet.rows(file)


def _settings(folder: Path) -> RecordingTurns | str:
    try:
        return read_recording_turns(folder / TURNS_NAME)
    except ResultError as error:
        return str(error)


def _origin(part: TurnsPart, row: dict[str, str]) -> float:
    """Return the time of the recording's start on the clock of its turns."""
    on_file_clock = isinstance(part.settings, RecordingTurns) and part.settings.times == "file"
    return float(row["offset"] or 0) if on_file_clock else 0.0


def _count(part: TurnsPart, row: dict[str, str]) -> None:
    part.seconds += float(row["duration"] or 0)
    part.speech += float(row["speech_seconds"] or 0)
    part.overlap += float(row["overlap_seconds"] or 0)
    part.turns += int(row["turns"] or 0)
    part.silent += row["status"] == NO_SPEECH
    part.failed += row["status"] not in (OK, NO_SPEECH)
    part.warned += bool(row["warnings"])
