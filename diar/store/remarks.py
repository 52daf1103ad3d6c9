"""What a person should know of a recording, in words, from its row in the index."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from diar.records import OK, RecordingRow
from diar.store.layout import Layout
from diar.store.reader import RecordingIndex, finished_rows
from diar.store.schema import row_from_columns
from diar.wording import counted

_COLUMNS = [
    "recording_id", "path", "status", "duration", "speech_seconds", "channels", "gaps", "audio_track",
    "audio_tracks", "channel", "warnings", "peak", "sound",
]  # fmt: skip
_SHORT = 1.0  # seconds; in less, the network hardly finds speech
_MOSTLY = 0.5  # share of a recording; where more is damaged, that is the reason given
_SOUNDS = {
    "quiet": "it is all but silent",
    "tone": "it sounds like a steady tone, hum or rumble",
    "noise": "it sounds like noise",
    "harmonic": "it sounds like music, or other sound that is no speech",
}


@dataclass(frozen=True)
class Remarks:
    """The recordings of an extraction that a person should look at; one row each, in archive order."""

    table: pa.Table
    with_warnings: int  # warnings or gaps
    without_speech: int

    def counts(self, word: str) -> str:
        """Return in words how many there are of each kind that is there; `word` follows the first."""
        kinds = ((self.with_warnings, "with warnings"), (self.without_speech, "without any speech"))
        (first, what), *rest = [(count, what) for count, what in kinds if count]
        return ", ".join([f"{counted(first, word)} {what}", *(f"{count:,} {what}" for count, what in rest)])

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Yield (recording id, remark)."""
        for batch in self.table.to_batches(1_000):
            for record in batch.to_pylist():
                row = row_from_columns(record)
                remarks = file_remarks(row)
                if _is_silent(row):
                    remarks.append(no_speech(row))
                yield from ((row.recording_id, remark) for remark in remarks)


def read_remarks(layout: Layout) -> Remarks:
    """Read the remarks of all finished shards."""
    rows = finished_rows(layout, _COLUMNS)
    if not len(rows):
        return Remarks(rows, 0, 0)
    warned = pc.or_(*(pc.greater(pc.list_value_length(rows[name]), 0) for name in ("warnings", "gaps")))
    silent = pc.and_(pc.equal(rows["status"], OK), pc.equal(rows["speech_seconds"], 0.0))
    counts = (pc.sum(mask).as_py() or 0 for mask in (warned, silent))
    return Remarks(rows.filter(pc.or_(warned, silent)), *counts)


def count_remarks(index: RecordingIndex) -> str:
    """Return in words how many recordings `read_remarks` has something to say of; empty for none."""
    counts = [
        int((pc.list_value_length(index.details[name]).to_numpy() > 0).sum()) for name in ("warnings", "gaps")
    ]
    silent = int(((np.array(index.status) == OK) & (index.speech_seconds == 0.0)).sum())
    if not any(counts) and not silent:
        return ""
    warned, damaged = counts
    parts = [
        f"warns of {counted(warned, 'recording')}" if warned else "",
        f"found {counted(damaged, 'damaged recording')}" if damaged else "",
        f"heard no speech in {counted(silent, 'recording')}" if silent else "",
    ]
    return f"stage 1 {', '.join(filter(None, parts))}"


def _is_silent(row: RecordingRow) -> bool:
    return row.status == OK and row.speech_seconds == 0.0


def file_remarks(row: RecordingRow) -> list[str]:
    """Return stage 1's warnings, or the gaps in words where there are gaps and no warnings."""
    if row.warnings or not row.gaps:
        return list(row.warnings)
    seconds = sum(end - start for start, end in row.gaps)
    where = ", ".join(f"{start:.2f}\u2013{end:.2f} s" for start, end in row.gaps[:3])
    more = f" and {counted(len(row.gaps) - 3, 'more place')}" if len(row.gaps) > 3 else ""
    return [f"damaged or missing: {seconds:.2f} s ({where}{more})"]


def no_speech(row: RecordingRow) -> str:
    """Say why no speech was found, as far as the row tells."""
    reasons = [*_reasons(row), *_elsewhere(row)] or ["nothing is known of why"]
    return f"no speech found: {'; '.join(reasons)}"


def _reasons(row: RecordingRow) -> Iterator[str]:
    damaged = sum(end - start for start, end in row.gaps)
    if damaged > _MOSTLY * max(row.duration, 1e-9):
        yield f"{damaged:.1f} s of {row.duration:.1f} s are damaged or missing"
    if row.sound == "quiet":
        level = "" if row.peak is None else f" (its loudest sample is at {row.peak:.0f} dBFS)"
        yield _SOUNDS["quiet"] + level
        return
    if row.duration < _SHORT:
        yield f"it is {row.duration:.2f} s long only"
    if row.speech_seconds > 0:
        yield f"{row.speech_seconds:.1f} s that may be speech are too short or too faint"
    elif row.sound:
        yield _SOUNDS[row.sound]


def why_silent(row: RecordingRow) -> str:
    """Return what may follow "all samples are zero"."""
    return "".join(f"; {reason}" for reason in _elsewhere(row))


def _elsewhere(row: RecordingRow) -> Iterator[str]:
    """Say where the speech may be instead."""
    if row.channel == "mix" and row.channels > 1 and row.sound == "quiet":
        yield f"its {row.channels} channels may cancel each other (channel=0 takes the first alone)"
    elif row.channel.isdigit() and row.channels > 1:
        yield f"only channel {row.channel} of {row.channels} (from 0) was read"
    if row.audio_tracks > 1:
        track = f"audio track {row.audio_track} (from 0) of {row.audio_tracks}"
        yield f"{track} was read, another may hold the speech"
