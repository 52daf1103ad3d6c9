"""The people of the archive: `speakers.parquet` for programs, `speakers.csv` for readers."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from diar.formats.spreadsheet import cell
from diar.formats.turns_json import RecordingTurns
from diar.store.parquet import write_table
from diar.store.schema import vectors

SPEAKERS_NAME = "speakers.parquet"
SPEAKERS_CSV = "speakers.csv"
SCHEMA_VERSION = "1"
_DECIMALS = 3


class SpeakerTotals:
    """Totals of each person, summed while recordings come in."""

    def __init__(self) -> None:
        self.recordings: dict[str, list[str]] = {}
        self.seconds: dict[str, float] = {}
        self.turns: dict[str, int] = {}

    def add(self, result: RecordingTurns) -> None:
        """Count one recording."""
        for speaker in result.speakers:
            self.recordings.setdefault(speaker.name, []).append(result.recording_id)
            self.seconds[speaker.name] = self.seconds.get(speaker.name, 0.0) + speaker.speech_seconds
            self.turns[speaker.name] = self.turns.get(speaker.name, 0) + speaker.turns


@dataclass(frozen=True)
class ArchiveSpeakers:
    """n people, one entry each."""

    id: list[str]
    name: list[str]  # as in the turns: a known speaker's, else the id
    known: np.ndarray  # (n,) bool
    recordings: list[list[str]]  # ids, in archive order
    seconds: np.ndarray  # (n,) float64, of speech
    turns: np.ndarray  # (n,) int64
    centroid: np.ndarray  # (n, D) float32, L2-normalised

    @classmethod
    def of(
        cls,
        totals: SpeakerTotals,
        speaker_id: list[str],
        name: list[str],
        known: np.ndarray,
        centroid: np.ndarray,
    ) -> ArchiveSpeakers:
        """Return the people with the totals of each name; one who was not found has zeros."""
        return cls(
            id=speaker_id,
            name=name,
            known=np.asarray(known, bool),
            recordings=[totals.recordings.get(one, []) for one in name],
            seconds=np.array([totals.seconds.get(one, 0.0) for one in name], np.float64),
            turns=np.array([totals.turns.get(one, 0) for one in name], np.int64),
            centroid=centroid,
        )


def speakers_table(speakers: ArchiveSpeakers) -> pa.Table:
    """Return one row a person; `centroid`, the last column, is a fixed-size list of float32, null for NaN."""
    return pa.table(
        {
            "speaker_id": pa.array(speakers.id, pa.string()),
            "name": pa.array(speakers.name, pa.string()),
            "known": pa.array(speakers.known, pa.bool_()),
            "num_recordings": pa.array([len(ids) for ids in speakers.recordings], pa.int32()),
            "recordings": pa.array(speakers.recordings, pa.list_(pa.string())),
            "speech_seconds": pa.array(np.round(speakers.seconds, _DECIMALS), pa.float64()),
            "turns": pa.array(speakers.turns, pa.int64()),
            "centroid": vectors(speakers.centroid),
        }
    )


def write_speakers(path: str, speakers: ArchiveSpeakers, metadata: dict[str, str]) -> None:
    """Write `speakers_table` as Parquet; `metadata` (model, thresholds, …) goes to the footer as `diar.…`."""
    items = {"speakers_schema_version": SCHEMA_VERSION, **metadata}
    write_table(path, speakers_table(speakers), {f"diar.{key}": value for key, value in items.items()})


def speakers_csv(speakers: ArchiveSpeakers) -> str:
    """Format a table without centroids and lists of recordings, those who talk most first."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["speaker_id", "name", "known", "num_recordings", "speech_seconds", "turns"])
    for i in np.argsort(-speakers.seconds, kind="stable").tolist():
        known = "yes" if speakers.known[i] else "no"
        seconds = f"{speakers.seconds[i]:.{_DECIMALS}f}"
        row = [
            speakers.id[i],
            cell(speakers.name[i]),
            known,
            len(speakers.recordings[i]),
            seconds,
            speakers.turns[i],
        ]
        writer.writerow(row)
    return text.getvalue()
