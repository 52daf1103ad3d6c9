"""Removing recordings from an output of stage 1, and from its words. Every step may be done twice."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from diar import storage
from diar.custody.removal.text import Mentions
from diar.store.earlier_names import stored_at
from diar.store.layout import Layout
from diar.store.packed import PackedContents, packed_contents
from diar.store.parquet import TracksFile, footer_of, open_parquet, with_prefix, write_table
from diar.store.reader import done_shards, read_plan, read_shard
from diar.store.sealed import digest
from diar.store.words import WordsLayout, read_words, write_words

_REMEDY = "`diar verify` says what to do"


def purge_extraction(root: str, ids: Collection[str], mentions: Mentions) -> None:
    """Remove recordings from everything below `root`.

    Raises:
        StoreError: a file is damaged.
        OSError: one cannot be written.
    """
    layout, going = Layout(root), pa.array(sorted(ids), pa.string())
    planned = read_plan(layout)
    unwanted = pc.is_in(planned["recording_id"], going)
    for shard in sorted(set(planned.filter(unwanted)["shard"].to_pylist())):
        storage.remove_folder(layout.sections(shard))  # of an unfinished shard: those of all its recordings
        storage.remove_folder(WordsLayout(root).partial(shard))
    _purge_words(WordsLayout(root), set(ids))
    _purge_tracks(layout, ids)
    rewritten = _purge_packed(layout, set(ids))
    _remove_empty(layout, ids)
    for shard in done_shards(layout):
        _purge_index(layout, shard, going, rewritten)
    for private in (layout.private, WordsLayout(root).private):
        for folder in (private, storage.join(private, "events")):
            _purge_lines(folder, mentions)
    if pc.any(unwanted).as_py():
        write_table(stored_at(layout.plan), planned.filter(pc.invert(unwanted)), {}, row_group_size=16_384)


def _purge_words(layout: WordsLayout, ids: set[str]) -> None:
    for shard in done_shards(layout):
        words = read_words(layout, shard)
        if ids & words.keys():
            with open_parquet(layout.shard(shard), _REMEDY) as parquet:
                footer = footer_of(parquet.metadata)
            metadata = {name: footer[name] for name in footer if name not in ("words_version", "recordings")}
            left = [one for recording_id, one in words.items() if recording_id not in ids]
            write_words(layout, shard, left, metadata)


def _purge_tracks(layout: Layout, ids: Collection[str]) -> None:
    """Remove the files of single recordings."""
    for recording_id in ids:
        storage.remove(layout.tracks(recording_id))


def _remove_empty(layout: Layout, ids: Collection[str]) -> None:
    """Remove the folders of recordings that are empty now."""
    root = storage.local_path(layout.root)
    for recording_id in ids:
        folder = storage.local_path(layout.folder(recording_id))
        while folder is not None and folder != root and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
            folder = folder.parent


def _purge_packed(layout: Layout, ids: set[str]) -> dict[str, str]:
    """Write packed files again without the recordings; return the SHA-256 of each, by URL."""
    rewritten = {}
    for folder in {layout.folder(recording_id) for recording_id in ids}:
        for name in filter(storage.PACKED_PATTERN.fullmatch, storage.list_names(folder)):
            url = storage.join(folder, name)
            footer, contents = packed_contents(url, _REMEDY)
            left = [i for i, recording_id in enumerate(contents.recording_id) if recording_id not in ids]
            if len(left) == len(contents.recording_id):
                rewritten[url] = ""  # as it was, or written again before a kill: its index may not say so yet
            elif left:
                rewritten[url] = _write_packed(url, footer, contents, left)
            else:
                storage.remove(url)
    return rewritten


def _write_packed(url: str, footer: Mapping[str, str], contents: PackedContents, left: list[int]) -> str:
    kept = PackedContents(*([values[i] for i in left] for values in vars(contents).values()))
    with open_parquet(url, _REMEDY) as parquet:
        table = parquet.read(use_threads=False)
    table = table.filter(pc.is_in(table["recording_id"], pa.array(kept.recording_id, pa.string())))
    dimension = table.schema.field("embedding").type.list_size
    with storage.open_atomic(url) as file, TracksFile(file, dimension) as written:
        written.write(table)
        written.set_footer({**footer, "recordings": kept.to_json()})
    return written.sha256


def _purge_index(layout: Layout, shard: int, going: pa.Array, rewritten: dict[str, str]) -> None:
    """Write a shard's index again without the recordings, and with the checksums of packed files."""
    table = read_shard(layout, shard)
    left = table.filter(pc.invert(pc.is_in(table["recording_id"], going)))
    url = stored_at(layout.shard(shard))
    with open_parquet(url, _REMEDY) as parquet:
        footer = footer_of(parquet.metadata)
    changed = len(left) < len(table)
    if "tracks_sha256" in left.column_names:
        ids, known = left["recording_id"].to_pylist(), left["tracks_sha256"].to_pylist()
        packed = [layout.packed(layout.folder(recording_id), shard) for recording_id in ids]
        sha256 = [_sha256(one, rewritten, before) for one, before in zip(packed, known, strict=True)]
        changed |= sha256 != known
        place = left.schema.get_field_index("tracks_sha256")
        left = left.set_column(place, left.schema.field(place), pa.array(sha256, pa.string()))
    if changed:
        write_table(url, left, with_prefix(footer))


def _sha256(url: str, rewritten: dict[str, str], before: str | None) -> str | None:
    """Return the checksum of a row's packed file; `before` where it was not looked at, or there is none."""
    if url not in rewritten or before is None:
        return before
    if not rewritten[url]:
        with storage.open_binary(url) as file:
            rewritten[url] = digest(file)
    return rewritten[url]


def _purge_lines(folder: str, mentions: Mentions) -> None:
    """Drop the lines of event logs, and of the list that `diar diarize` made, that name a recording."""
    for name in (name for name in storage.list_names(folder) if name.endswith(".jsonl")):
        url = storage.join(folder, name)
        lines = storage.read_bytes(url).splitlines(keepends=True)
        left = [line for line in lines if not mentions.any_in(line)]
        if len(left) < len(lines):
            storage.write_bytes_atomic(url, b"".join(left))
