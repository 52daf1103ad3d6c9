"""Embedded chunks of long recordings as bytes, which wait for the rest."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, get_args, get_type_hints

import numpy as np

from diar.embedding.rows import ChunkEmbeddings, TrackRows
from diar.intervals import IntervalLists

T = TypeVar("T")
_KINDS: tuple[type, ...] = (ChunkEmbeddings, TrackRows, IntervalLists)  # of what a chunk consists of
_HINTS = {kind: get_type_hints(kind) for kind in _KINDS}  # to make them takes longer than to read the arrays


def to_bytes(chunks: Mapping[int, ChunkEmbeddings]) -> bytes:
    """Return chunks, by index, as an npz file; nothing in it is executed when it is read."""
    buffer = io.BytesIO()
    arrays = [entry for index, chunk in chunks.items() for entry in _flatten(str(index), chunk)]
    np.savez(buffer, allow_pickle=False, **dict(arrays))
    return buffer.getvalue()


def from_bytes(content: bytes) -> dict[int, ChunkEmbeddings]:
    """Return the chunks, by index."""
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        arrays = dict(file)
    indices = dict.fromkeys(name.partition(".")[0] for name in arrays)
    return {int(index): _build(ChunkEmbeddings, index, arrays) for index in indices}


def _flatten(name: str, value: Any) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the arrays of nested dataclasses, named by their path; None has none."""
    if is_dataclass(value):
        for field in fields(value):
            yield from _flatten(f"{name}.{field.name}", getattr(value, field.name))
    elif value is not None:
        yield name, np.asarray(value)


def _build(kind: type[T], name: str, arrays: Mapping[str, np.ndarray]) -> T:
    """Make a dataclass of the arrays below `name`."""
    return kind(**{key: _value(hint, f"{name}.{key}", arrays) for key, hint in _HINTS[kind].items()})


def _value(hint: Any, name: str, arrays: Mapping[str, np.ndarray]) -> Any:
    inner: Sequence[Any] = [part for part in get_args(hint) if is_dataclass(part)] or [hint]
    if is_dataclass(inner[0]):
        there = any(key.startswith(f"{name}.") for key in arrays)
        return _build(inner[0], name, arrays) if there else None  # type: ignore[arg-type]
    return arrays[name] if hint is np.ndarray else arrays[name].item()
