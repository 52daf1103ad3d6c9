"""The proof of a purge: what is left is searched for ids, paths and vectors of what should be gone."""

from __future__ import annotations

import gzip
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from diar import storage
from diar.custody.files import is_temporary
from diar.custody.places import is_result, own_files
from diar.custody.removal.targets import Targets, vector_hash
from diar.custody.removal.text import Mentions
from diar.store.parquet import footer_of, open_parquet
from diar.store.schema import matrix

_PARQUET = (".parquet", ".pq")
_PICTURES_AND_SOUND = (".png", ".wav", ".flac")  # nothing is written in them; those that show ids are removed
_ODD = "odd_files"
_OWN = ("purged.json", "purge_under_way.json")


@dataclass(frozen=True)
class Left:
    """Something that should be gone."""

    place: str
    where: str  # file, relative to the place
    what: str  # in words


def search(place: str, targets: Targets) -> Iterator[Left]:
    """Yield what is left of recordings in one output.

    Raises:
        DiarError: a Parquet file is damaged.
    """
    stored = (storage.output_name(recording_id, "") for recording_id in targets.ids)
    mentions = Mentions({*targets.ids, *stored}, targets.paths)
    in_result = is_result(place)
    for where in own_files(place):
        name, url = where.rpartition("/")[2], storage.join(place, where)
        if name in _OWN:
            continue
        if is_temporary(where):
            yield Left(place, where, "a temporary file, whose content nobody knows; `diar verify` removes it")
        elif mentions.any_in(_named(where, url, in_result)):
            yield Left(place, where, "its name, or what it links to")
        elif name.endswith(_PARQUET):
            yield from (Left(place, where, what) for what in _in_parquet(url, targets, mentions))
        elif not name.endswith(_PICTURES_AND_SOUND) and not _is_link(url):
            data = storage.read_bytes(url)
            found = mentions.first_in(gzip.decompress(data) if name.endswith(".gz") else data)
            if found is not None:
                yield Left(place, where, f"{found!r} in its text")


def _named(where: str, url: str, in_result: bool) -> bytes:
    """Return a file's name, the recording's own part of it, and what it links to, a line each."""
    top, _, below = where.partition("/")
    if top == _ODD:
        below = below.partition("/")[2]
    own = below if in_result else ""  # recordings/…, a speaker's folder
    target = os.readlink(url) if _is_link(url) else ""  # noqa: PTH115
    return f"{where.removesuffix('.parquet')}\n{own}\n{target}".encode(errors="surrogateescape")


def _is_link(url: str) -> bool:
    local = storage.local_path(url)
    return local is not None and local.is_symlink()


def _in_parquet(url: str, targets: Targets, mentions: Mentions) -> Iterator[str]:
    with open_parquet(url, "`diar verify` says what to do") as parquet:
        footer = footer_of(parquet.metadata)
        for key, text in footer.items():
            if mentions.any_in(text.encode(errors="surrogateescape")):
                yield f"{key} in its footer"
        names = pa.array(sorted(targets.ids | targets.paths), pa.string())
        for batch in (parquet.read_row_group(i, use_threads=False) for i in range(parquet.num_row_groups)):
            yield from _in_table(batch, names, targets.vectors, mentions)


def _in_table(
    table: pa.Table, names: pa.Array, vectors: Collection[str], mentions: Mentions
) -> Iterator[str]:
    for name in table.column_names:
        column = _plain(table[name])
        if pa.types.is_fixed_size_list(column.type):
            if any(vector_hash(vector) in vectors for vector in matrix(column)):
                yield f"a vector in column {name}"
        elif pa.types.is_string(column.type) and _any_is(column, names, mentions):
            yield f"column {name}"


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column without its dictionary, or the strings of its lists."""
    if pa.types.is_dictionary(column.type):
        return column.cast(column.type.value_type)
    if pa.types.is_list(column.type) and pa.types.is_string(column.type.value_type):
        return pa.chunked_array([chunk.flatten() for chunk in column.chunks], pa.string())
    return column


def _any_is(column: pa.ChunkedArray, names: pa.Array, mentions: Mentions) -> bool:
    """Return whether a column of strings holds a name, or a text that mentions one."""
    unique: Any = pc.unique(column).drop_null()
    if pc.any(pc.is_in(unique, names)).as_py():
        return True
    return mentions.any_in("\n".join(unique.to_pylist()).encode(errors="surrogateescape"))
