"""Reading safetensors files: a JSON header with type, shape and place of each tensor, then the numbers.

The format is that of https://github.com/huggingface/safetensors. Eight bytes hold the length of the header.
The places follow each other without a gap up to the file's end. Nothing in such a file is a program.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from diar.errors import explain
from diar.models.encoders.base import ModelError
from diar.texts import from_json

_LENGTH = 8  # bytes that hold the header's length
_MOST_HEADER = 16_000_000  # bytes; a network of 1,000 tensors has a hundredth of that
_MOST_DIMENSIONS = 8
_METADATA = "__metadata__"  # texts beside the tensors
_KINDS = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


@dataclass(frozen=True)
class _Place:
    """Where a tensor's numbers are: bytes `begin` up to `end` after the header."""

    kind: torch.dtype
    shape: tuple[int, ...]
    begin: int
    end: int


def read_safetensors(file: Path) -> dict[str, Tensor]:
    """Return the tensors of a file by name, in the precision that they are stored in.

    Raises:
        ModelError: unreadable, no such file, damaged, or of other numbers than fp32, fp16 and bf16.
    """
    try:
        with file.open("rb") as stream:
            size = stream.seek(0, io.SEEK_END)
            header = _header(stream, size)
            first = _LENGTH + len(header)
            places = _places(header, size - first)
            return {name: _tensor(stream, name, first, place) for name, place in places.items()}
    except (OSError, ValueError) as error:
        reason = explain(error) if isinstance(error, OSError) else str(error)
        raise ModelError(f"{file} cannot be read as safetensors: {reason[:300]}") from error


def _header(stream: io.BufferedReader, size: int) -> bytes:
    stream.seek(0)
    length = int.from_bytes(stream.read(_LENGTH), "little")
    if size < _LENGTH or length > min(size - _LENGTH, _MOST_HEADER):
        raise ValueError(f"its header claims {length:,} bytes in a file of {size:,}")
    return stream.read(length)


def _places(header: bytes, numbers: int) -> dict[str, _Place]:
    """Return the places that a header describes, which fill the bytes after it exactly."""
    described = from_json(header)
    if not isinstance(described, dict):
        raise ValueError("its header holds no tensors by name")
    places = {name: _place(name, about) for name, about in described.items() if name != _METADATA}
    at = 0
    for name, place in sorted(places.items(), key=lambda item: (item[1].begin, item[1].end)):
        if place.begin != at:
            raise ValueError(f"{name} begins at byte {place.begin:,} of the numbers, not at {at:,}")
        at = place.end
    if at != numbers:
        raise ValueError(f"its tensors take {at:,} bytes, but {numbers:,} follow the header")
    return places


def _place(name: str, about: Any) -> _Place:
    match about:
        case {"dtype": str(kind), "shape": list(shape), "data_offsets": [int(begin), int(end)]}:
            pass
        case _:
            raise ValueError(f"{name} has not dtype, shape and two data_offsets")
    if kind not in _KINDS:
        raise ValueError(f"{name} is {kind}; {', '.join(_KINDS)} are read")
    if len(shape) > _MOST_DIMENSIONS or not all(type(number) is int and number >= 0 for number in shape):
        raise ValueError(f"{name} has a shape that no tensor has")
    needed = math.prod(shape) * _KINDS[kind].itemsize
    if end - begin != needed:
        raise ValueError(f"{name} takes {end - begin:,} bytes, but its shape and dtype {needed:,}")
    return _Place(_KINDS[kind], tuple(shape), begin, end)


def _tensor(stream: io.BufferedReader, name: str, first: int, place: _Place) -> Tensor:
    if place.begin == place.end:
        return torch.empty(place.shape, dtype=place.kind)
    content = bytearray(place.end - place.begin)
    stream.seek(first + place.begin)
    if stream.readinto(content) != len(content):
        raise ValueError(f"it ends within {name}")
    return torch.frombuffer(content, dtype=place.kind).view(place.shape)
