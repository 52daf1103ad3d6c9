"""The page's table of recordings, with their turns as text."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from diar.formats.html.tables import Column, DataTable, Names, RowFiles
from diar.formats.html.turns_text import turns_text
from diar.formats.html.words_text import WORDS_SCRIPT
from diar.formats.turns_json import TURNS_NAME
from diar.formats.words.table import FORMATS
from diar.outputs.page.rttm_lines import SpokenTurn
from diar.plots.timeline import TIMELINE_NAME

WORDS_THERE, WORDS_OLD = "yes", "older than the turns"
_WHOLE_NAMES = frozenset([TIMELINE_NAME, FORMATS["txt"].file_name])


@dataclass(frozen=True)
class RecordingEntry:
    """One row of `recordings.csv` and its turns, small enough to keep tens of thousands of them."""

    recording_id: str
    path: str
    folder: str
    status: str
    remarks: str  # error and warnings
    duration: float | None  # seconds; None where it failed
    speech: float | None
    overlap: float | None
    turns: int
    people: tuple[int, ...]  # numbers of names, those who talk most first
    text: str  # `turns_text`, speakers numbered as in `people`
    origin: float  # seconds on the clock of the turns at the recording's start
    offset: float  # seconds of the file before the recording
    estimated_der: float | None  # share of speech; None where nobody speaks, or an earlier version wrote it

    @classmethod
    def of(
        cls, row: dict[str, str], spoken: Sequence[SpokenTurn], names: Names, origin: float
    ) -> RecordingEntry:
        """Return the entry of a row; the times of `spoken` count from the recording's start."""
        seconds: dict[str, float] = {}
        for start, end, speaker in spoken:
            seconds[speaker] = seconds.get(speaker, 0.0) + end - start
        ranked = sorted(seconds, key=lambda speaker: -seconds[speaker])
        place = {speaker: number for number, speaker in enumerate(ranked)}
        return cls(
            recording_id=row["recording_id"],
            path=row["path"],
            folder=row["folder"],
            status=row["status"],
            remarks=" | ".join(filter(None, (row["error"], row["warnings"]))),
            duration=_number(row["duration"]),
            speech=_number(row["speech_seconds"]),
            overlap=_number(row["overlap_seconds"]),
            turns=int(row["turns"] or 0),
            people=tuple(names.number(speaker) for speaker in ranked),
            text=turns_text((start, end, place[speaker]) for start, end, speaker in spoken),
            origin=origin,
            offset=float(row["offset"] or 0),
            estimated_der=_number(row.get("estimated_der", ""), 4),
        )


def recordings_table(root: Path, entries: Sequence[RecordingEntry], words: Sequence[str]) -> DataTable:
    """Return the table; opened rows link to the files that are in `root` now, `words` are `words_of` each."""
    files = RowFiles()
    for entry in entries:
        files.add(entry.folder, _files(root / entry.folder) if entry.folder else [])
    offsets = [entry.offset if entry.offset and not entry.origin else None for entry in entries]
    doubts = [entry.estimated_der for entry in entries]
    columns = [
        Column("Recording", "path", [entry.recording_id for entry in entries]),
        Column("People", "people", [list(entry.people) for entry in entries], minor=True),
        Column("Who spoke when", "turns", [entry.text for entry in entries]),
        Column("Length", "seconds", [entry.duration for entry in entries]),
        Column("Speech", "seconds", [entry.speech for entry in entries], minor=True),
        Column("Overlap", "share", [_share(entry.overlap, entry.speech) for entry in entries], minor=True),
        Column("Turns", "number", [entry.turns for entry in entries], minor=True),
        *([Column("Est. DER", "share", doubts, minor=True)] if any(doubts) else []),
        *([Column("Words", "choice", words, minor=True)] if any(words) else []),
        Column("Status", "choice", [entry.status for entry in entries], minor=True),
        Column("Starts at", "seconds", [entry.origin or None for entry in entries], more=True),
        Column("Begins in its file at", "seconds", offsets, more=True),
        Column("Remarks", "text", [entry.remarks for entry in entries], more=True),
        Column("Audio", "path", [entry.path for entry in entries], more=True),
    ]
    return DataTable("recordings", "recording", "recordings", columns, target="recordings", files=files)


def _files(folder: Path) -> list[str]:
    """Return the names of a recording's turns, words and picture, sorted."""
    try:
        names = os.listdir(folder)  # noqa: PTH208 - names only, without a Path each
    except FileNotFoundError:  # somebody removed it
        return []
    kept = (name for name in names if name.startswith(("turns.", "words.")) or name in _WHOLE_NAMES)
    return sorted(name for name in kept if name != WORDS_SCRIPT)


def words_of(folder: Path) -> str:
    """Return whether the words of a recording are there, and have their speakers by its turns of now."""
    try:
        words, turns = (os.stat(folder / name).st_mtime_ns for name in (WORDS_SCRIPT, TURNS_NAME))  # noqa: PTH116
    except FileNotFoundError:
        return ""
    return WORDS_THERE if words >= turns else WORDS_OLD


def _number(text: str, decimals: int = 2) -> float | None:
    return round(float(text), decimals) if text else None


def _share(part: float | None, whole: float | None) -> float | None:
    return round(part / whole, 3) if part is not None and whole else None
