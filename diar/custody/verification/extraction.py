"""`verify` of an output of stage 1: the plan against the indices, these against the tracks and the files."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from diar import storage
from diar.custody.exclusive import is_written_to
from diar.custody.files import all_files, is_temporary, relative
from diar.custody.removal.tombstone import journal_of, of_extraction
from diar.custody.verification.findings import (
    DAMAGED,
    DUPLICATE,
    FOREIGN,
    LEFTOVER,
    MISSING,
    ORPHAN,
    PURGE_UNDER_WAY,
    UNFINISHED,
    UNSEALED,
    WRONG,
    Findings,
)
from diar.custody.verification.tracks import TracksCheck
from diar.custody.verification.words import check_words
from diar.records import OK
from diar.store.earlier_names import stored_at
from diar.store.layout import PACKED, Layout
from diar.store.parquet import StoreError, footer_of, open_parquet
from diar.store.reader import done_shards, read_config, read_plan, read_shard
from diar.store.schema import SCHEMA_VERSION, matrix
from diar.wording import counted

Advance = Callable[[int], object]  # told of the bytes of each file that was looked at

_SHOWN = 40  # characters of a version, which may be of any length
_UNIT = 1e-3  # how far the length of an index's embedding may be from 1
_PRIVATE = ("_extraction/", "_words/", "extraction_stats.json")  # diar's own besides tracks
_PARTS = re.compile(r"(_extraction/sections|_words/partial)/(\d+)/.+")  # of unfinished shards


class ExtractionCheck:
    """Looks at one output of stage 1.

    Args:
        root: of the output.
        advance: told of the bytes of each file that was looked at.
        files: what `all_files` found below `root`.
    """

    def __init__(self, root: str, advance: Advance, files: dict[str, int]) -> None:
        self.layout = Layout(root)
        self.findings = Findings(root, "extraction")
        self._advance, self._files = advance, files
        self._expected: set[str] = set()  # files of tracks that the plan's recordings have or may have

    def run(self) -> Findings:
        """Look at everything.

        Raises:
            StoreError: there is no extraction.
        """
        found, layout = self.findings, self.layout
        if not storage.exists(layout.config):
            read_config(layout)  # says what is there instead
        try:
            config = read_config(layout)
            fingerprint = str(config["metadata"]["fingerprint"])
        except (StoreError, KeyError, TypeError) as error:
            found.add(DAMAGED, relative(layout.root, layout.config), str(error))
            return found
        if not fingerprint == config.get("fingerprint") == fingerprint_of(config.get("settings")):
            where = relative(layout.root, layout.config)
            found.add(WRONG, where, f"fingerprint {fingerprint} is not that of its settings")
        plan = self._plan()
        if plan is not None:
            tracks = TracksCheck(layout, config.get("layout") == PACKED, fingerprint, found, self._advance_by)
            self._shards(plan, config["metadata"], tracks)
        if storage.exists(journal_of(of_extraction(layout.root))):
            found.add(UNFINISHED, "_extraction", PURGE_UNDER_WAY)
        check_words(layout.root, fingerprint, found, self._advance_by)
        self._others(plan is not None)
        if count := found.counts["shards_without_checksums"]:
            reason = f"{counted(count, 'shard')} written before files had checksums"
            found.add(UNSEALED, "_extraction/shards", reason)
        return found

    def _advance_by(self, url: str) -> None:
        self._advance(self._files.get(relative(self.layout.root, url), 0))

    def _plan(self) -> pa.Table | None:
        url, found = stored_at(self.layout.plan), self.findings
        where = relative(self.layout.root, url)
        try:
            plan = read_plan(self.layout)
            ids, shards = plan["recording_id"].to_pylist(), plan["shard"].to_numpy()
            positions = plan["position"].to_numpy()
        except (StoreError, KeyError, ValueError) as error:
            found.add(DAMAGED, where, str(error))
            return None
        self._advance_by(url)
        found.counts["recordings"] = len(ids)
        if len(set(ids)) < len(ids):
            for again in (one for one, count in Counter(ids).items() if count > 1):
                found.add(DUPLICATE, where, "it is planned twice", recording_id=again)
        if (np.diff(shards) < 0).any() or len(set(positions.tolist())) < len(positions):
            found.add(WRONG, where, "its shards or positions are out of order")
        self._expected = {relative(self.layout.root, self.layout.tracks(one)) for one in ids}
        return plan

    def _shards(self, plan: pa.Table, metadata: Mapping[str, str], tracks: TracksCheck) -> None:
        done = set(done_shards(self.layout))
        self.findings.counts["shards"] = len(done)
        plan = plan.take(pa.array(np.argsort(plan["shard"].to_numpy(), kind="stable")))
        numbers, starts = np.unique(plan["shard"].to_numpy(), return_index=True)
        for shard, start, end in zip(numbers.tolist(), starts, [*starts[1:], len(plan)], strict=True):
            planned = plan.slice(start, end - start)
            if shard not in done:
                reason = f"{counted(len(planned), 'recording')} to do"
                self.findings.add(UNFINISHED, f"shard {shard}", reason, shard=shard)
                self.findings.counts["unfinished"] += len(planned)
                continue
            rows = self._index(shard, planned, metadata)
            if rows is not None:
                tracks.check(shard, rows)

    def _index(
        self, shard: int, planned: pa.Table, metadata: Mapping[str, str]
    ) -> list[dict[str, Any]] | None:
        """Check a shard's index; return the rows of the plan's recordings, None where it cannot be read."""
        url, found = stored_at(self.layout.shard(shard)), self.findings
        where = relative(self.layout.root, url)
        try:
            table = read_shard(self.layout, shard)
            with open_parquet(url, "") as parquet:
                footer = footer_of(parquet.metadata)
            embedding = matrix(table["embedding"])
            rows = table.drop_columns(["embedding"]).to_pylist()
        except (StoreError, KeyError, ValueError, TypeError, AttributeError) as error:
            found.add(DAMAGED, where, str(error), shard=shard)
            return None
        self._advance_by(url)
        version = footer.get("schema_version")
        if version != SCHEMA_VERSION:
            found.add(WRONG, where, f"schema version {str(version)[:_SHOWN]}", shard=shard)
        for name in sorted(name for name, value in footer.items() if metadata.get(name, value) != value):
            reason = f"{name} is {footer[name]!r}, config.json says {metadata[name]!r}"
            found.add(WRONG, where, reason, shard=shard)
        if "tracks_sha256" not in table.column_names:
            found.counts["shards_without_checksums"] += 1
        return self._rows(shard, where, planned["recording_id"].to_pylist(), rows, embedding)

    def _rows(
        self, shard: int, where: str, planned: list[str], rows: list[dict[str, Any]], embedding: np.ndarray
    ) -> list[dict[str, Any]]:
        found = self.findings
        by_id: dict[str, dict[str, Any]] = {}
        for row, vector in zip(rows, embedding, strict=True):
            row["embedding"] = vector
            if row["recording_id"] in by_id:
                found.add(DUPLICATE, where, "two rows", recording_id=row["recording_id"], shard=shard)
            by_id[row["recording_id"]] = row
        for one in planned:
            if one not in by_id:
                found.add(MISSING, where, "no row in the index", recording_id=one, shard=shard)
            elif complaint := _complaint(by_id[one]):
                found.add(WRONG, where, complaint, recording_id=one, shard=shard)
        known = [by_id[one] for one in planned if one in by_id]
        found.counts["ok"] += sum(row["status"] == OK for row in known)
        found.counts["failed"] += sum(row["status"] != OK for row in known)
        return known

    def _others(self, plan_known: bool) -> None:
        """Say what else is there, and what of it belongs to nobody."""
        done, foreign = set(done_shards(self.layout)), list[str]()
        busy = is_written_to(self.layout.root)
        for path in self._files:
            part = _PARTS.fullmatch(path)
            if is_temporary(path) or (part and int(part[2]) in done and part[1].startswith("_ex")):
                if not busy:
                    self.findings.add(LEFTOVER, path, "left by a run that was killed")
            elif path.startswith(_PRIVATE) or path in self._expected:
                continue
            elif storage.PACKED_PATTERN.fullmatch(path.rpartition("/")[2]):
                continue  # of a shard, whose recordings may all have moved
            elif path.endswith(".parquet"):
                if plan_known:
                    self.findings.add(ORPHAN, path, "tracks of a recording that is not planned (any more)")
            else:
                foreign.append(path)
        if foreign:
            reason = f"{counted(len(foreign), 'file')} that diar did not write, the first is {foreign[0]}"
            self.findings.add(FOREIGN, ".", reason)


def _complaint(row: dict[str, Any]) -> str:
    """Return what is wrong with a row of an index, empty if nothing is."""
    vector, ok = row["embedding"], row["status"] == OK
    if not ok:
        return "" if np.isnan(vector).all() else "it failed, and has an embedding all the same"
    if not np.isfinite(vector).all():
        return "its embedding is missing or not finite"
    norm = float(np.linalg.norm(vector))
    if abs(norm - 1) > _UNIT:
        return f"its embedding has length {norm:.4f}, not 1"
    duration = row["duration"]
    if duration is None or not np.isfinite(duration) or duration <= 0:
        return f"its duration is {duration}"
    return "" if row["tracks"] else "it has no tracks"


def fingerprint_of(settings: Any) -> str:
    """Return the fingerprint of an extraction's settings, as stage 1 computes it."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]


def verify_extraction(root: str, advance: Advance, files: dict[str, int] | None = None) -> Findings:
    """Look at an output of stage 1, and at its words.

    Raises:
        StoreError: there is none.
    """
    return ExtractionCheck(root, advance, all_files(root) if files is None else files).run()
