"""What `task=files` left in an output directory, for the page."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from diar.formats import spreadsheet
from diar.formats.document import ResultError
from diar.formats.files_table import FILES_NAME
from diar.formats.html.elements import Section, facts, notes, paragraph, picture, subheading, table_place
from diar.formats.html.tables import Column, DataTable, Names
from diar.formats.result_json import LOW_CONFIDENCE, RESULT_NAME, Boundary, DetectionResult, read_result
from diar.outputs.boundaries import PLOT_NAME
from diar.outputs.page.colors import name_colors
from diar.outputs.page.kept import KeptRows
from diar.outputs.page.settings import clock_time, settings

MOST_FILES = 50_000
MOST_ROWS = 20_000  # of any other table


class FileRow(NamedTuple):
    """One row of `files.csv`."""

    path: str
    position: int
    segment: int | None
    speaker: str
    odd: str
    similarity: float | None

    @classmethod
    def of(cls, row: dict[str, str]) -> FileRow:
        """Parse a row; ValueError and the like where it is damaged."""
        segment, similarity = row["segment"], row["similarity"]
        return cls(
            row["path"],
            int(row["position"]),
            int(segment) if segment else None,
            row["speaker"],
            row["odd"],
            float(similarity) if similarity else None,
        )


@dataclass
class BoundariesPart:
    """The segments of the files, the boundaries between them and their speakers.

    Attributes:
        root: the output directory.
        names: of people, shared by all tables of the page.
        result: all but the table of files.
        kept: rows of `files.csv` that the page shows.
    """

    root: Path
    names: Names
    result: DetectionResult
    kept: KeptRows[FileRow]

    @property
    def warnings(self) -> list[str]:
        """Warnings about the whole archive."""
        return self.result.warnings

    @property
    def doubtful(self) -> list[Boundary]:
        """Boundaries of low confidence, the least first."""
        low = [boundary for boundary in self.result.boundaries if boundary.confidence < LOW_CONFIDENCE]
        return sorted(low, key=lambda boundary: boundary.confidence)[:MOST_ROWS]

    def head(self) -> str:
        """Return the figures of the whole archive."""
        counts = self.result.counts()
        values = [
            ("files", f"{counts['recordings']:,}"),
            ("speakers", f"{counts['speakers']:,}"),
            ("segments", f"{counts['segments']:,}"),
            ("boundaries", f"{counts['boundaries']:,}"),
            ("of them doubtful", f"{counts['low_confidence_boundaries']:,}"),
            ("of another voice", f"{counts['odd_files']:,}"),
            ("unclear", f"{counts['unclear_files']:,}"),
            ("without speech", f"{counts['no_speech']:,}"),
            ("failed", f"{counts['not_used']:,}"),
        ]
        made = clock_time(self.root / RESULT_NAME)
        return f'<p class="quiet">Boundaries between files, found on {made}</p>' + facts(values)

    def sections(self) -> list[Section]:
        """Return the parts of the page."""
        drawn = self.root / PLOT_NAME
        description = (
            "along the archive: similarity of the files, confidence of the boundaries, speakers, sizes of "
            "the segments"
        )
        plot = picture(PLOT_NAME, description) if drawn.exists() else ""
        boundaries = "".join(
            [
                plot,
                subheading("All boundaries"),
                notes(_cut_note(len(self.result.boundaries), "boundaries", RESULT_NAME)),
                table_place("boundaries") if self.result.boundaries else paragraph("There are none."),
                subheading("Segments: consecutive files of one speaker"),
                notes(_cut_note(len(self.result.segments), "segments", RESULT_NAME)),
                table_place("segments"),
            ]
        )
        missing = self.kept.note("files", FILES_NAME)
        return [
            Section("boundaries", "Boundaries between files", boundaries),
            Section("speakers", "Speakers of the files", table_place("speakers")),
            Section("files", "Files", notes(missing) + table_place("files")),
        ]

    def colors(self) -> dict[str, str]:
        """Return the colour of each speaker of the files."""
        return name_colors({speaker.id for speaker in self.result.speakers})

    def settings_html(self) -> str:
        """Return the settings of the run."""
        return settings("Boundaries between files", self.result)

    def tables(self) -> list[DataTable]:
        """Return the tables of `sections`."""
        boundaries = self.result.boundaries[:MOST_ROWS]
        tables = [boundaries_table("boundaries", boundaries)] if boundaries else []
        return [*tables, self._segments_table(), self._speakers_table(), self._files_table()]

    def _segments_table(self) -> DataTable:
        segments = self.result.segments[:MOST_ROWS]
        columns = [
            Column("Segment", "number", [segment.id for segment in segments]),
            Column("Speaker", "person", [self.names.number(segment.speaker) for segment in segments]),
            Column("Files", "number", [segment.count for segment in segments]),
            Column("First file", "entry", [segment.first for segment in segments]),
            Column("Last file", "entry", [segment.last for segment in segments], minor=True),
            Column("Cohesion", "number", [s.cohesion for s in segments], minor=True, decimals=2),
        ]
        return DataTable("segments", "segment", "segments", columns, target="files")

    def _speakers_table(self) -> DataTable:
        speakers = sorted(self.result.speakers, key=lambda speaker: -speaker.count)[:MOST_ROWS]
        files = sum(speaker.count for speaker in self.result.speakers) or 1
        columns = [
            Column("Speaker", "person", [self.names.number(speaker.id) for speaker in speakers]),
            Column("Files", "number", [speaker.count for speaker in speakers]),
            Column("Share", "share", [speaker.count / files for speaker in speakers], decimals=1),
            Column("Segments", "number", [len(speaker.segments) for speaker in speakers]),
        ]
        return DataTable("speakers", "speaker", "speakers", columns, order=(1, True), target="files")

    def _files_table(self) -> DataTable:
        rows = self.kept.rows
        speakers = [self.names.number(row.speaker) if row.speaker else None for row in rows]
        columns = [
            Column("File", "path", [row.path for row in rows]),
            Column("Position", "number", [row.position for row in rows], minor=True),
            Column("Segment", "number", [row.segment for row in rows]),
            Column("Speaker", "person", speakers),
            Column("Odd", "choice", [row.odd for row in rows]),
            Column("Similarity", "number", [row.similarity for row in rows], minor=True, decimals=2),
        ]
        return DataTable("files", "file", "files", columns, target="files")


def boundaries_table(name: str, boundaries: Sequence[Boundary]) -> DataTable:
    """Return a table of boundaries, in their order."""
    methods = [", ".join(filter(None, (one.method, one.fallback))) for one in boundaries]
    columns = [
        Column("Confidence", "number", [one.confidence for one in boundaries], decimals=2),
        Column("Last file before", "entry", [one.before for one in boundaries]),
        Column("First file after", "entry", [one.after for one in boundaries]),
        Column("Position", "number", [one.index for one in boundaries], minor=True),
        Column("Expected at", "number", [one.expected for one in boundaries], minor=True),
        Column("Placed by", "choice", methods, minor=True),
    ]
    return DataTable(name, "boundary", "boundaries", columns, target="files")


def read_boundaries(root: Path, names: Names) -> BoundariesPart | None:
    """Read the boundaries of an output directory; None where `task=files` left none.

    Raises:
        ResultError: the result cannot be read.
    """
    path, files = root / RESULT_NAME, root / FILES_NAME
    if not path.exists():
        return None
    if not files.exists():
        raise ResultError(f"{files} is missing")
    part = BoundariesPart(root, names, read_result(path), KeptRows(MOST_FILES))
    try:
        with files.open(encoding="utf-8", newline="") as file:
            for row in spreadsheet.rows(file):
                needy = bool(row["odd"]) or not row["speaker"]
                if part.kept.wants(needy):
                    part.kept.add(FileRow.of(row), needy)
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        raise ResultError(f"{files} is damaged: {error!r}") from None
    return part


def _cut_note(count: int, things: str, source: str) -> list[str]:
    if count <= MOST_ROWS:
        return []
    return [f"This page shows the first {MOST_ROWS:,} of {count:,} {things}. All of them are in {source}."]
