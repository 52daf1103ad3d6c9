"""An extraction from two, shard by shard as stage 1 writes them, so that all that reads one reads this."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import compress
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from tqdm import tqdm

import diar
from diar import storage
from diar.custody.removal.tombstone import Tombstone, of_extraction
from diar.errors import DiarError
from diar.jobs.extract.plan import save_plan
from diar.jobs.fuse.config import FuseConfig
from diar.jobs.fuse.join import join_tracks, join_vectors
from diar.options.terminal import progress_stream
from diar.records import OK, RecordingRow
from diar.store.encryption.names import describe_encryption, forget_secrets
from diar.store.index import dimension_of, read_index
from diar.store.layout import MIRROR, Layout
from diar.store.reader import RecordingIndex, TracksReader, finished_rows, load_index, read_config, read_plan
from diar.store.schema import SCHEMA_VERSION, row_from_columns
from diar.store.writer import Writer, make_writer
from diar.wording import counted

UNLIKE = "unlike"  # status of a recording whose tracks are not the same in both
_OF_ENCODERS = ("architecture", "model_sha256", "fbank", "precision")  # settings in which both may differ


class FuseError(DiarError):
    """Two extractions that cannot become one."""


@dataclass(frozen=True)
class Source:
    """One of the two extractions."""

    root: str

    @cached_property
    def config(self) -> dict[str, Any]:
        """What stage 1 noted about it."""
        return read_config(Layout(self.root))

    @cached_property
    def index(self) -> RecordingIndex:
        """All its recordings.

        Raises:
            FuseError: some are planned and not done.
        """
        index = load_index(self.root)
        if index.unfinished:
            missing = counted(index.unfinished, "planned recording")
            raise FuseError(f"stage 1 has not finished {self.root}: {missing} missing; let it finish first")
        return index

    @cached_property
    def reader(self) -> TracksReader:
        """Of its tracks."""
        return TracksReader(self.root)

    @property
    def dimension(self) -> int:
        """Of its embeddings."""
        return dimension_of(self.config) or self.index.embedding.shape[1]


@dataclass
class Fused:
    """How many recordings were done, and which could not be joined."""

    done: int = 0
    failed: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Fusion:
    """Makes an extraction of two.

    Raises:
        FuseError: they differ in more than their encoders, one is not finished, or the output is of others.
    """

    config: FuseConfig

    @cached_property
    def first(self) -> Source:
        """What everything but the second's embeddings is taken from."""
        return Source(self.config.first)

    @cached_property
    def second(self) -> Source:
        """What the other embeddings are taken from."""
        return Source(self.config.second)

    @cached_property
    def settings(self) -> dict[str, Any]:
        """All that decides the numbers, as stage 1 keeps it; the fingerprint is made of it."""
        one, other = self.first.config["settings"], self.second.config["settings"]
        names = sorted({*one, *other} - {*_OF_ENCODERS})
        differ = [name for name in names if one.get(name) != other.get(name)]
        if differ:
            name = differ[0]
            raise FuseError(
                f"{self.config.first} and {self.config.second} differ in more than the encoder: {name} is "
                f"{one.get(name)!r} and {other.get(name)!r}; extract both with the same"
            )
        if "pipeline" in one:
            raise FuseError(
                f"{self.config.first} is of a pipeline, which has its own way of comparing voices"
            )
        if one["model_sha256"] == other["model_sha256"]:
            raise FuseError(
                f"{self.config.first} and {self.config.second} are of one encoder: nothing to fuse"
            )
        weights = [self.config.weight, 1 - self.config.weight]
        parts = [{name: which.get(name) for name in _OF_ENCODERS} for which in (one, other)]
        joint = hashlib.sha256(json.dumps([parts, weights], sort_keys=True).encode()).hexdigest()
        return {**one, "model_sha256": joint, "fused": parts, "fusion_weights": weights}

    @property
    def fingerprint(self) -> str:
        """Of the settings, as stage 1 makes it."""
        return hashlib.sha256(json.dumps(self.settings, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def metadata(self) -> dict[str, str]:
        """What every file says of the extraction."""
        one, other = self.first.config["metadata"], self.second.config["metadata"]
        joined = {name: f"{one.get(name)} + {other.get(name)}" for name in ("model", "architecture")}
        return {
            **one,
            **joined,
            "model_sha256": self.settings["model_sha256"],
            "embedding_dim": str(self.first.dimension + self.second.dimension),
            "settings": json.dumps(self.settings, sort_keys=True),
            "fingerprint": self.fingerprint,
        }

    def run(self) -> Fused:
        """Write what is missing of the output."""
        layout, fused = Layout(self.config.output_dir), Fused()
        self._begin(layout)
        arrangement = self.first.config.get("layout", MIRROR)
        dimension = self.first.dimension + self.second.dimension
        writer = make_writer(arrangement, layout, dimension, self.metadata)
        plan = self._plan(layout)
        save_plan(layout, plan)
        shards = np.unique(plan["shard"].to_numpy()).tolist()
        fused.failed.update(self._only_in_second(layout))
        again = self._again(layout, fused)
        missing = [shard for shard in shards if shard in again or not storage.exists(layout.shard(shard))]
        total = int(np.isin(plan["shard"].to_numpy(), missing).sum())
        with tqdm(desc="fuse", total=total, unit="recording", disable=None, file=progress_stream()) as bar:
            for shard in missing:
                rows = []
                for row in self._rows(plan, shard):
                    rows.append(self._joined(writer, shard, row, fused))
                    bar.update()
                writer.write_shard(shard, rows)
        return fused

    def _only_in_second(self, layout: Layout) -> dict[str, str]:
        """Return why recordings are left out that the first does not have, but for those that were purged."""
        planned = set(read_plan(Layout(self.config.first), ["recording_id"])["recording_id"].to_pylist())
        purged = Tombstone.read(of_extraction(layout.root))
        more = (one for one in self.second.index.recording_id if one not in planned and not purged.holds(one))
        return dict.fromkeys(more, f"{self.config.first} has no such recording")

    def _again(self, layout: Layout, fused: Fused) -> set[int]:
        """Return the finished shards with recordings that may be joined now; note those that still cannot."""
        rows = finished_rows(layout, ["recording_id", "status", "error"])
        good = set(compress(self.first.index.recording_id, np.equal(self.first.index.status, OK)))
        again = set()
        for row in rows.filter(pc.not_equal(rows["status"], OK)).to_pylist():
            recording_id = row["recording_id"]
            if recording_id in good and (row["status"] != UNLIKE or self._is_good(recording_id)):
                again.add(row["shard"])
            else:
                fused.failed[recording_id] = _reason(row["status"], row["error"])
        return again

    def _begin(self, layout: Layout) -> None:
        """Note what the output is made of; refuse one that is of others."""
        settings = self.settings
        _ = self.first.index, self.second.index  # are both finished?
        if storage.exists(layout.config) and read_config(layout)["fingerprint"] != self.fingerprint:
            raise FuseError(
                f"`output_dir={layout.root}` is an extraction of other embeddings, or with another weight; "
                "give another"
            )
        record = {
            "schema_version": SCHEMA_VERSION,
            "fingerprint": self.fingerprint,
            "layout": self.first.config.get("layout", MIRROR),
            "input_dir": self.first.config["input_dir"],
            "settings": settings,
            "metadata": self.metadata,
            "diar_version": diar.__version__,
            "job": None,
        }
        if encryption := describe_encryption(layout.config):
            record["encryption"] = encryption
        storage.write_bytes_atomic(layout.config, json.dumps(record, indent=2).encode())
        forget_secrets()

    def _plan(self, layout: Layout) -> pa.Table:
        """Return the first's plan, without what was purged from the output."""
        plan = read_plan(Layout(self.config.first))
        stays = Tombstone.read(of_extraction(layout.root)).lets_in(plan["recording_id"].to_pylist())
        return plan.filter(pa.array(stays))

    def _rows(self, plan: pa.Table, shard: int) -> Iterator[RecordingRow]:
        """Yield what the first has of a shard's recordings, with embeddings."""
        part = plan.filter(pa.array(plan["shard"].to_numpy() == shard))
        table = read_index(Layout(self.config.first), shard, None, part, self.first.dimension)
        planned = set(part["recording_id"].to_pylist())
        for record in table.to_pylist():
            if record["recording_id"] in planned:
                yield row_from_columns(record)

    def _joined(self, writer: Writer, shard: int, row: RecordingRow, fused: Fused) -> RecordingRow:
        """Write the tracks of a recording; return its row, which says why there are none."""
        if row.status != OK:
            fused.failed[row.recording_id] = _reason(row.status, row.error)
            return row
        published = writer.published(row.recording_id)
        if published is not None and (published.size, published.mtime) == (row.size, row.mtime):
            return published
        try:
            other = self._other(row.recording_id)
            one, two = (
                source.reader.read(row.recording_id, at).tracks
                for source, at in ((self.first, shard), (self.second, int(self.second.index.shard[other])))
            )
            tracks = join_tracks(one, two, self.config.weight)
        except (DiarError, ValueError) as error:
            writer.remove_tracks(row.recording_id)
            fused.failed[row.recording_id] = str(error)
            return replace(row, status=UNLIKE, error=str(error), embedding=None, tracks=0)
        assert row.embedding is not None
        vectors = row.embedding[None], self.second.index.embedding[other][None]
        joined = replace(row, embedding=join_vectors(*vectors, self.config.weight)[0])
        writer.write_tracks(shard, joined, tracks)
        fused.done += 1
        return joined

    def _is_good(self, recording_id: str) -> bool:
        """Return whether the second has tracks of a recording."""
        place = self._places.get(recording_id)
        return place is not None and self.second.index.status[place] == OK

    @cached_property
    def _places(self) -> dict[str, int]:
        return {one: place for place, one in enumerate(self.second.index.recording_id)}

    def _other(self, recording_id: str) -> int:
        """Return the second's row of a recording."""
        place, index = self._places.get(recording_id), self.second.index
        if place is None:
            raise FuseError(f"{self.config.second} has no such recording")
        if index.status[place] != OK:
            raise FuseError(f"{index.status[place]} in {self.config.second}: {index.error[place]}")
        return place


def _reason(status: str, error: str) -> str:
    """Return why a recording is left out, as one with this row is told of."""
    return error if status == UNLIKE else f"{status}: {error}"
