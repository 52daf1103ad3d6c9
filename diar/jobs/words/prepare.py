"""What all ranks of `diar words` agree on before they work: the recogniser, and which shards are left."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import Any

import pyarrow.compute as pc

import diar
from diar import storage
from diar.archive.recording import Recording
from diar.asr.recogniser import Identity
from diar.errors import DiarError
from diar.jobs.progress.counters import Totals
from diar.jobs.words.config import WordsConfig
from diar.records import OK, RecordingRow
from diar.store.layout import Layout
from diar.store.reader import done_shards, read_config, read_planned, read_shard
from diar.store.schema import row_from_columns
from diar.store.words import WordsLayout, read_told

_NOT_NEEDED = "embedding"


class WordsJobError(DiarError):
    """Words that cannot be recognised as asked."""


def settle(config: WordsConfig, identity: Identity, batch: int) -> dict[str, str]:
    """Write down what affects the words; return the metadata of their files.

    Whisper in int8 or half precision hears a piece a little differently beside others: `batch` counts, too.

    Raises:
        WordsJobError: the words there are another recogniser's, or of another extraction.
    """
    layout = WordsLayout(config.embeddings_dir)
    extraction = read_config(Layout(config.embeddings_dir))["fingerprint"]
    settings = {"extraction": extraction, **asdict(identity), "language": config.language, "batch": batch}
    heard = {"enhance": config.enhance, "aec": config.aec}
    settings |= {name: value for name, value in heard.items() if value not in ("none", False)}
    settings = json.loads(json.dumps(settings))
    if config.overwrite:
        remove_words(layout)
    elif storage.exists(layout.config):
        _refuse_others(layout, settings)
    fingerprint = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]
    record = {"diar_version": diar.__version__, "fingerprint": fingerprint, "settings": settings}
    storage.write_bytes_atomic(layout.config, json.dumps(record, indent=2).encode())
    return {"fingerprint": fingerprint, "settings": json.dumps(settings)}


def read_settings(layout: WordsLayout) -> dict[str, Any]:
    """Return what affects the words that are stored.

    Raises:
        WordsJobError: there are none.
    """
    if not storage.exists(layout.config):
        raise WordsJobError(f"{layout.root} has no words yet")
    settings: dict[str, Any] = json.loads(storage.read_bytes(layout.config))["settings"]
    return settings


def _refuse_others(layout: WordsLayout, settings: dict[str, Any]) -> None:
    there = read_settings(layout)
    differences = [
        f"{name}: {there.get(name)!r} there, {settings.get(name)!r} now"
        for name in {**there, **settings}
        if there.get(name) != settings.get(name)
    ]
    if differences:
        raise WordsJobError(
            f"{layout.private} holds other words:\n  "
            + "\n  ".join(differences)
            + "\nGive the same options, or start again with --overwrite"
        )


def remove_words(layout: WordsLayout) -> None:
    """Delete all words of an extraction, and nothing else."""
    partial = storage.join(layout.private, "partial")
    folders = [layout.shards, storage.join(layout.private, "progress")]
    folders += [storage.join(partial, name) for name in storage.list_names(partial)]
    for folder in folders:
        for name in storage.list_names(folder):
            storage.remove(storage.join(folder, name))
    for url in (layout.statistics, layout.config):
        storage.remove(url)


def sweep(layout: WordsLayout) -> None:
    """Remove half-written files that killed runs have left, while nobody writes."""
    for folder in (layout.private, layout.shards, storage.join(layout.private, "progress")):
        storage.remove_temporaries(folder)


def open_shards(config: WordsConfig) -> tuple[list[tuple[int, int]], Totals]:
    """Return (shard, bytes) of the shards without words, the largest first, and the size of the whole job."""
    layout, extraction = WordsLayout(config.embeddings_dir), Layout(config.embeddings_dir)
    done = set(done_shards(layout))
    if config.retry_failed:
        done -= {shard for shard in done if _any_failed(layout, shard)}
    sizes, files = {}, {}
    for shard in done_shards(extraction):
        planned = read_planned(extraction, shard)
        sizes[shard], files[shard] = int(pc.sum(planned["size"]).as_py() or 0), len(planned)
    order = sorted(
        ((s, size) for s, size in sizes.items() if s not in done), key=lambda one: (-one[1], one[0])
    )
    before = [shard for shard in sizes if shard in done]
    totals = Totals(
        sum(files.values()),
        sum(sizes.values()),
        sum(files[shard] for shard in before),
        sum(sizes[shard] for shard in before),
    )
    return order, totals


def _any_failed(layout: WordsLayout, shard: int) -> bool:
    return any(recording.status != OK for recording in read_told(layout, shard)[0])


def shard_rows(extraction: Layout, shard: int) -> list[tuple[Recording, RecordingRow]]:
    """Return the recordings of a shard as planned, each with its row of the index, in order."""
    planned = read_planned(extraction, shard)
    table = read_shard(extraction, shard)
    rows = {row["recording_id"]: row for row in table.drop_columns([_NOT_NEEDED]).to_pylist()}
    found = []
    for one in planned.to_pylist():
        known = rows.get(one["recording_id"])
        if known is not None:
            row = row_from_columns(known)
            found.append((_recording(row), row))
    return found


def _recording(row: RecordingRow) -> Recording:
    return Recording(row.recording_id, row.path, row.size, row.mtime, row.offset, row.part_seconds)
