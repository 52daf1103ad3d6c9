"""Which recordings are to go, from what was asked for, and what betrays that something of them is left."""

from __future__ import annotations

import csv
import hashlib
import time
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from diar.custody.places import Outputs
from diar.custody.removal.tombstone import Journal, Tombstone, of_extraction, of_result
from diar.errors import DiarError
from diar.formats.files_table import FILES_NAME
from diar.outputs.speakers_table import SPEAKERS_NAME
from diar.outputs.turns import RECORDINGS_NAME
from diar.store.layout import Layout
from diar.store.parquet import StoreError, read_table
from diar.store.reader import TracksReader, done_shards, read_plan, read_shard
from diar.store.schema import matrix, rounded
from diar.wording import counted, did_you_mean


@dataclass(frozen=True)
class Asked:
    """What is to go."""

    recordings: Collection[str]  # ids
    people: Collection[str]  # names
    older_than: float | None  # seconds since the audio was changed


@dataclass
class Targets:
    """The recordings that are to go.

    Attributes:
        ids: of them.
        paths: where their audio was read.
        people: names that were asked for.
        vectors: `vector_hash` of their embeddings.
        without_time: recordings whose age is not known, if it was asked for.
    """

    ids: set[str] = field(default_factory=set)
    paths: set[str] = field(default_factory=set)
    people: set[str] = field(default_factory=set)
    vectors: set[str] = field(default_factory=set)
    without_time: int = 0

    def journal(self) -> Journal:
        """Return what a killed purge needs to go on."""
        return Journal(*(sorted(one) for one in (self.ids, self.paths, self.people, self.vectors)))


def vector_hash(vector: np.ndarray) -> str:
    """Return the hash of a vector (D,) as it is stored; it tells nothing of the voice."""
    return hashlib.blake2b(np.ascontiguousarray(vector, "<f4").tobytes(), digest_size=16).hexdigest()


def find_targets(outputs: Outputs, asked: Asked) -> Targets:
    """Find the recordings that are to go, and those of a purge that was killed.

    Raises:
        DiarError: an id or a name that no output holds; a damaged index or table.
    """
    found = Targets(people=set(asked.people))
    known, gone = set[str](), set(asked.recordings)
    named = set[str]()  # people of whom an output knows
    for root in outputs.extractions:
        _of_extraction(root, asked, found, known, named)
    for root in outputs.results:
        _of_result(root, asked, found, known, named)
    for tombstone in tombstones(outputs):
        if journal := Journal.read(tombstone):
            found.ids.update(journal.ids)
            found.paths.update(journal.paths)
            found.people.update(journal.people)
            found.vectors.update(journal.vectors)
            named.update(journal.people)
        gone -= {one for one in gone if Tombstone.read(tombstone).holds(one)}
    if unknown := sorted(gone - known - found.ids):
        near = did_you_mean(unknown[0], known)
        raise DiarError(f"no output given holds a recording {unknown[0]!r}{near}; nothing was removed")
    if people := set(asked.people) - named:
        raise DiarError(
            f"{counted(len(people), 'name')} that no output given knows: `person` takes names as in "
            "speakers.csv, files.csv or the labels of a manifest; nothing was removed"
        )
    found.ids.update(asked.recordings)
    return found


def tombstones(outputs: Outputs) -> list[str]:
    """Return the URLs of the tombstones of all outputs."""
    return [*map(of_extraction, outputs.extractions), *map(of_result, outputs.results)]


def _of_extraction(root: str, asked: Asked, found: Targets, known: set[str], named: set[str]) -> None:
    for row in _rows(Layout(root)):
        recording_id, label = row["recording_id"], row["label"]
        known.add(recording_id)
        people = {
            label,
            recording_id.partition("/")[0] if "/" in recording_id else None,
        }  # as enrolment names
        named.update(name for name in people if name)
        old = asked.older_than is not None and _is_old(row["mtime"], asked.older_than, found)
        if old or recording_id in asked.recordings or people & set(asked.people):
            found.ids.add(recording_id)


def _rows(layout: Layout) -> Iterator[dict[str, Any]]:
    """Yield id, label and time of every recording, of those no longer planned, too."""
    planned = read_plan(layout, ["recording_id", "label", "mtime"])
    yield from planned.to_pylist()
    ids = pa.concat_arrays(list(planned["recording_id"].chunks) or [pa.array([], pa.string())])
    for shard in done_shards(layout):
        rows = read_shard(layout, shard, ["recording_id", "mtime"])
        for row in rows.filter(pc.invert(pc.is_in(rows["recording_id"], ids))).to_pylist():
            yield {"label": None, **row}


def _is_old(mtime: float | None, age: float, found: Targets) -> bool:
    if not mtime:
        found.without_time += 1
        return False
    return time.time() - mtime > age


def _of_result(root: str, asked: Asked, found: Targets, known: set[str], named: set[str]) -> None:
    people, local = set(asked.people), Path(root)
    known.update(row["recording_id"] for row in read_csv(local / RECORDINGS_NAME))
    if (local / SPEAKERS_NAME).exists():
        table = read_table(str(local / SPEAKERS_NAME), "run stage 2 again")
        for row in table.select(["speaker_id", "name", "recordings"]).to_pylist():
            called = {row["speaker_id"], row["name"]}
            named.update(called)
            if called & people:
                found.ids.update(row["recordings"])
    for row in read_csv(local / FILES_NAME):
        known.add(row["path"])
        named.add(row["speaker"])
        if row["speaker"] in people:
            found.ids.add(row["path"])


def read_csv(path: Path) -> Iterator[dict[str, str]]:
    """Yield the rows of a table with a head; none if it does not exist."""
    if path.exists():
        with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            yield from csv.DictReader(file)


def collect_traces(outputs: Outputs, found: Targets) -> None:
    """Note paths and vectors of the recordings, before they go.

    The path of a file of which another part stays is not noted.
    """
    stay: set[str] = set()
    for root in outputs.extractions:
        layout, reader = Layout(root), TracksReader(root)
        for shard in done_shards(layout):
            rows = read_shard(layout, shard, ["recording_id", "path", "embedding"])
            going = pc.is_in(rows["recording_id"], pa.array(sorted(found.ids), pa.string()))
            stay.update(rows.filter(pc.invert(going))["path"].to_pylist())
            _note(rows.filter(going), shard, reader, found)
    for root in outputs.results:
        for row in read_csv(Path(root, RECORDINGS_NAME)):
            (found.paths if row["recording_id"] in found.ids else stay).add(row["path"])
        if Path(root, SPEAKERS_NAME).exists():
            table = read_table(str(Path(root, SPEAKERS_NAME)), "run stage 2 again")
            there = [bool(found.ids & set(ids)) for ids in table["recordings"].to_pylist()]
            found.vectors.update(_hashes(matrix(table.filter(pa.array(there, pa.bool_()))["centroid"])))
    found.paths -= stay


def _note(rows: pa.Table, shard: int, reader: TracksReader, found: Targets) -> None:
    found.paths.update(rows["path"].to_pylist())
    found.vectors.update(_hashes(matrix(rows["embedding"])))
    for recording_id in rows["recording_id"].to_pylist():
        try:
            found.vectors.update(_hashes(reader.read(recording_id, shard).tracks.embedding))
        except StoreError:
            continue  # damaged, missing or failed: no vectors to search for


def _hashes(vectors: np.ndarray) -> Iterable[str]:
    """Return the hashes of vectors (n, D), also as tracks store them."""
    finite = vectors[np.isfinite(vectors).all(axis=1)]
    return [vector_hash(one) for one in (*finite, *rounded(finite))]
