"""Removing recordings from the tables of people."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from diar import storage
from diar.formats.turns_json import TURNS_NAME, read_recording_turns
from diar.outputs.speakers_table import (
    SPEAKERS_CSV,
    SPEAKERS_NAME,
    ArchiveSpeakers,
    SpeakerTotals,
    speakers_csv,
    write_speakers,
)
from diar.outputs.turns import recording_folder
from diar.store.parquet import footer_of, open_parquet
from diar.store.schema import matrix

_REMEDY = "run stage 2 again"


def purge_people(root: Path, ids: set[str], people: set[str]) -> None:
    """Drop people who speak in no other recording, or who are named; the others lose their mean voice.

    Whoever spoke in a recording that goes has a centroid made of it, too. It becomes null until stage 2 is
    run again. The folders of the recordings may be there or not; of the others, the turns are counted again.

    Raises:
        DiarError: the table or the turns of another recording are damaged.
    """
    url = str(root / SPEAKERS_NAME)
    if not storage.exists(url):
        return
    with open_parquet(url, _REMEDY) as parquet:
        footer, table = footer_of(parquet.metadata), parquet.read(use_threads=False)
    rows = table.drop_columns(["centroid"]).to_pylist()
    touched = [bool(ids & set(row["recordings"])) for row in rows]
    for row in rows:
        row["recordings"] = [one for one in row["recordings"] if one not in ids]
    gone = [
        bool({row["name"], row["speaker_id"]} & people) or (hit and not row["recordings"])
        for row, hit in zip(rows, touched, strict=True)
    ]
    if not any(touched) and not any(gone):
        return
    centroid = matrix(table["centroid"])
    centroid[np.array(touched)] = np.nan
    left = [number for number, going in enumerate(gone) if not going]
    totals = _count(root, {one for i in left if touched[i] for one in rows[i]["recordings"]})
    speakers = _speakers([rows[i] for i in left], [touched[i] for i in left], centroid[left], totals)
    storage.write_bytes_atomic(str(root / SPEAKERS_CSV), speakers_csv(speakers).encode())
    metadata = {name: value for name, value in footer.items() if name != "speakers_schema_version"}
    write_speakers(url, speakers, metadata)


def _count(root: Path, ids: set[str]) -> SpeakerTotals:
    totals = SpeakerTotals()
    for recording_id in sorted(ids):
        totals.add(read_recording_turns(root / recording_folder(recording_id) / TURNS_NAME))
    return totals


def _speakers(
    rows: list[dict[str, object]], touched: list[bool], centroid: np.ndarray, totals: SpeakerTotals
) -> ArchiveSpeakers:
    """Return the table of people; those who were touched have the new totals."""

    def value(name: str, new: dict[str, float] | dict[str, int]) -> list[object]:
        return [new[str(row["name"])] if hit else row[name] for row, hit in zip(rows, touched, strict=True)]

    return ArchiveSpeakers(
        id=[str(row["speaker_id"]) for row in rows],
        name=[str(row["name"]) for row in rows],
        known=np.array([row["known"] for row in rows], bool),
        recordings=[row["recordings"] for row in rows],  # type: ignore[misc]
        seconds=np.array(value("speech_seconds", totals.seconds), np.float64),
        turns=np.array(value("turns", totals.turns), np.int64),
        centroid=centroid,
    )
