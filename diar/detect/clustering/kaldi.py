"""Kaldi's PLDA files, binary and text."""

from __future__ import annotations

import math
import re
import struct

import numpy as np

_BINARY = b"\0B"
_OPEN, _CLOSE = b"<Plda>", b"</Plda>"
_BRACKETS = re.compile(r"\[([^\[\]]*)\]")
_SAMPLES = {b"F": "<f4", b"D": "<f8"}


class KaldiError(Exception):
    """Not such a file; the message says where it goes wrong."""


def read_kaldi_plda(content: bytes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean (E,), transform (E, E) and psi (E,) out of a file's bytes; shapes as the file gives them.

    Raises:
        KaldiError: not Kaldi's PLDA, cut off, or damaged.
    """
    if content.startswith(_BINARY + _OPEN + b" "):
        return _read_binary(content)
    if content.lstrip().startswith(_OPEN):
        return _read_text(content)
    raise KaldiError(f"it begins with {content[:9]!r}, Kaldi's PLDA files begin with '<Plda>'")


def _read_binary(content: bytes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    mean, at = _array(content, len(_BINARY + _OPEN) + 1, dimensions=1)
    transform, at = _array(content, at, dimensions=2)
    psi, at = _array(content, at, dimensions=1)
    if not content.startswith(_CLOSE, at):
        raise KaldiError(f"</Plda> is missing at byte {at}")
    return mean, transform, psi


def _array(content: bytes, at: int, dimensions: int) -> tuple[np.ndarray, int]:
    """One vector (`FV n …`, `DV n …`) or matrix (`FM rows columns …`, `DM …`), and where it ends."""
    kind = content[at : at + 3]
    letter = b"V" if dimensions == 1 else b"M"
    sample = _SAMPLES.get(kind[:1])
    if sample is None or kind[1:] != letter + b" ":
        raise KaldiError(f"at byte {at} stands {kind!r}, not F{letter.decode()} or D{letter.decode()}")
    at += len(kind)
    shape = []
    for _ in range(dimensions):
        if len(content) < at + 5:
            raise KaldiError(f"it is cut off after {len(content)} bytes")
        width, size = struct.unpack_from("<bi", content, at)
        if width != 4 or size < 0:
            raise KaldiError(f"at byte {at} stands no size")
        shape.append(size)
        at += 5
    count = math.prod(shape)
    end = at + count * np.dtype(sample).itemsize
    if len(content) < end:
        raise KaldiError(f"it is cut off after {len(content)} bytes, {end} are needed")
    return np.frombuffer(content, sample, count, at).reshape(shape), end


def _read_text(content: bytes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    try:
        text = content.decode("ascii")
    except UnicodeDecodeError as error:
        raise KaldiError(f"it begins as text and is none from byte {error.start} on") from None
    if _CLOSE.decode() not in text:
        raise KaldiError("it is cut off, </Plda> is missing")
    blocks = _BRACKETS.findall(text)
    if len(blocks) != 3:
        raise KaldiError(f"it has {len(blocks)} arrays in brackets, mean, transform and psi are needed")
    try:
        mean, psi = (np.array(block.split(), dtype=np.float64) for block in (blocks[0], blocks[2]))
        rows = [line.split() for line in blocks[1].splitlines() if line.strip()]
        return mean, np.array(rows, dtype=np.float64), psi
    except ValueError as error:
        raise KaldiError(f"an array is damaged ({error})") from None
