"""Very many recordings in Arrow columns, which take half the memory of Python objects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from itertools import islice
from operator import eq
from typing import overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from diar.archive.recording import ListingError, Recording, natural_key

_SCHEMA = pa.schema(
    [
        ("recording_id", pa.string()),
        ("path", pa.string()),
        ("size", pa.int64()),
        ("mtime", pa.float64()),
        ("offset", pa.float64()),
        ("duration", pa.float64()),
        ("num_speakers", pa.int32()),
        ("label", pa.string()),
        ("reference", pa.string()),
    ]
)
_CHUNK = 65_536  # recordings that are Python objects at a time


class Recordings(Sequence[Recording]):
    """An unchangeable list of recordings.

    Attributes:
        table: Arrow columns `recording_id`, `path` (the URL), then the other fields of `Recording` by name.
    """

    def __init__(self, table: pa.Table) -> None:
        self.table = table.select(_SCHEMA.names)

    @classmethod
    def of(cls, recordings: Iterable[Recording]) -> Recordings:
        """Collect recordings one by one."""
        if isinstance(recordings, Recordings):
            return recordings
        remaining, chunks = iter(recordings), []
        while chunk := list(islice(remaining, _CHUNK)):
            chunks.append(_columns(chunk))
        return cls(pa.concat_tables(chunks) if chunks else _SCHEMA.empty_table())

    def __len__(self) -> int:
        return len(self.table)

    def __iter__(self) -> Iterator[Recording]:
        for batch in self.table.to_batches(_CHUNK):
            yield from map(Recording, *(column.to_pylist() for column in batch.columns))

    @overload
    def __getitem__(self, index: int) -> Recording: ...
    @overload
    def __getitem__(self, index: slice) -> Recordings: ...
    def __getitem__(self, index: int | slice) -> Recording | Recordings:
        if isinstance(index, slice):
            return self.take(np.arange(len(self))[index])
        position = range(len(self))[index]  # IndexError, and counting from the end
        return next(iter(Recordings(self.table.slice(position, 1))))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(eq, self, other))

    __hash__ = None  # type: ignore[assignment]

    @property
    def total_bytes(self) -> int:
        """Sum of the sizes."""
        return pc.sum(self.table["size"]).as_py() or 0

    def take(self, positions: np.ndarray) -> Recordings:
        """Return the recordings at `positions`, in that order."""
        return Recordings(self.table.take(pa.array(positions)))

    def in_natural_order(self) -> Recordings:
        """Sort by path component, numbers by value: `a/2.wav`, `a/10.wav`, `a b/1.wav`; each recording once.

        Raises:
            ListingError: two recordings have one id.
        """
        ids = self.table["recording_id"]
        keys = [pa.array(map(natural_key, chunk.to_pylist()), pa.string()) for chunk in ids.chunks]
        # The id itself decides between `1.wav` and `01.wav`
        by = pa.table({"key": pa.chunked_array(keys, pa.string()), "id": ids})
        order = pc.sort_indices(by, sort_keys=[("key", "ascending"), ("id", "ascending")])
        del keys, by
        return Recordings(self.table.take(order))._without_repetitions()

    def _without_repetitions(self) -> Recordings:
        """Drop all but the first of neighbours with one id."""
        ids = self.table["recording_id"]
        again = np.append(False, pc.equal(ids[1:], ids[:-1]).to_numpy()).astype(bool)[: len(self)]
        for position in np.flatnonzero(again).tolist():
            earlier, recording = self[position - 1], self[position]
            if earlier.url != recording.url:
                names = f"{recording.url[:200]!r} and {earlier.url[:200]!r}"
                raise ListingError(f"{names} have the same name in UTF-8; rename one of them")
        return self.take(np.flatnonzero(~again)) if again.any() else self


def _columns(recordings: list[Recording]) -> pa.Table:
    names = [field.name for field in fields(Recording)]  # in the order of the columns
    return pa.table([[getattr(r, name) for r in recordings] for name in names], schema=_SCHEMA)
