"""The first part of the page: what a person should look at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from diar.formats.html.elements import Section, notes, paragraph, subheading, table_place
from diar.formats.html.tables import Column, DataTable
from diar.formats.result_json import LOW_CONFIDENCE, OddFile
from diar.outputs.page.boundaries_part import BoundariesPart, boundaries_table
from diar.outputs.page.recordings_table import RecordingEntry
from diar.outputs.page.turns_part import TurnsPart
from diar.outputs.turns import NO_SPEECH
from diar.records import OK

MOST_REMARKS, MOST_DOUBTED = 20_000, 10
_KINDS = ("failed", "another voice", "unclear", "no speech", "warning")  # the worst first


class Remark(NamedTuple):
    """What is to be said of one recording."""

    recording_id: str
    kind: str  # one of `_KINDS`
    text: str


def look_section(
    turns: TurnsPart | None, boundaries: BoundariesPart | None, warnings: Sequence[str]
) -> tuple[Section, list[DataTable]]:
    """Return warnings, doubtful boundaries and recordings with remarks, and their tables."""
    content, tables = [notes(warnings)], []
    if boundaries is not None and boundaries.doubtful:
        title = f"Doubtful boundaries: confidence below {LOW_CONFIDENCE}"
        content += [subheading(title), table_place("doubtful")]
        tables.append(boundaries_table("doubtful", boundaries.doubtful))
    remarks = _sorted_remarks(turns, boundaries)
    if remarks:
        content += [subheading("Recordings with a remark"), table_place("remarks")]
        tables.append(_remarks_table(remarks, "files" if turns is None else "recordings"))
    if not any(content):
        content = [paragraph("Nothing: no failure, no warning, no doubtful boundary, no odd file.")]
    if doubted := _doubted(turns):
        content += [subheading("Turns that are likeliest to be wrong"), table_place("doubted")]
        tables.append(_doubted_table(doubted))
    return Section("look", "Look here first", "".join(content)), tables


def _doubted(turns: TurnsPart | None) -> list[RecordingEntry]:
    """Return the recordings with the highest estimates of the DER, a quarter of them at most."""
    if turns is None:
        return []
    known = [entry for entry in turns.kept.rows if entry.estimated_der is not None]
    known.sort(key=lambda entry: -(entry.estimated_der or 0.0))
    return known[: min(MOST_DOUBTED, len(known) // 4)]


def _doubted_table(entries: Sequence[RecordingEntry]) -> DataTable:
    columns = [
        Column("Recording", "entry", [entry.recording_id for entry in entries]),
        Column("Estimated DER", "share", [entry.estimated_der for entry in entries]),
        Column("Speech", "seconds", [entry.speech for entry in entries]),
        Column("Turns", "number", [entry.turns for entry in entries]),
    ]
    return DataTable("doubted", "recording", "recordings", columns, order=(1, True), target="recordings")


def _sorted_remarks(turns: TurnsPart | None, boundaries: BoundariesPart | None) -> list[Remark]:
    remarks: dict[Remark, None] = {}  # a failure of both tasks is said once
    for part in (_of_files(boundaries), _of_recordings(turns)):
        remarks.update(dict.fromkeys(islice(part, MOST_REMARKS)))
    return sorted(remarks, key=lambda remark: _KINDS.index(remark.kind))[:MOST_REMARKS]


def _of_files(part: BoundariesPart | None) -> Iterator[Remark]:
    if part is None:
        return
    yield from (Remark(one.path, "failed", f"{one.status}: {one.error}") for one in part.result.not_used)
    yield from (Remark(one.path, "no speech", one.reason) for one in part.result.no_speech)
    for odd in part.result.odd_files:
        yield Remark(odd.path, "another voice" if odd.kind == "foreign" else "unclear", _odd_text(odd))


def _odd_text(odd: OddFile) -> str:
    text = f"does not belong to {odd.speaker} with probability {odd.score:.2f}"
    if odd.resembles is not None:
        text += f"; resembles {odd.resembles} (cosine {odd.resembles_similarity:.2f})"
    return text


def _of_recordings(part: TurnsPart | None) -> Iterator[Remark]:
    for entry in part.kept.rows if part is not None else ():
        if entry.status not in (OK, NO_SPEECH):
            yield Remark(entry.recording_id, "failed", f"{entry.status}: {entry.remarks}")
        elif entry.status == NO_SPEECH:
            yield Remark(entry.recording_id, "no speech", entry.remarks)
        elif entry.remarks:
            yield Remark(entry.recording_id, "warning", entry.remarks)


def _remarks_table(remarks: Sequence[Remark], target: str) -> DataTable:
    columns = [
        Column("Recording", "entry", [remark.recording_id for remark in remarks]),
        Column("What", "choice", [remark.kind for remark in remarks]),
        Column("Why", "text", [remark.text for remark in remarks]),
    ]
    return DataTable("remarks", "remark", "remarks", columns, target=target)
