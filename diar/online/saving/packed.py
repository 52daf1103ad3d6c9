"""A stream as bytes, so that it can go on in another process; nothing in them is executed when they are read.

The bytes are an npz file: numbers and names as JSON in zlib, arrays as they are, audio as FLAC. To compress
all of it would take three times as long, for a few per cent of its size.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import soundfile as sf

from diar.errors import DiarError
from diar.online.settings import SAMPLE_RATE

VERSION = 5
_QUICKLY = 1  # level of zlib


def pack(values: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return JSON values and arrays as one npz file."""
    buffer = io.BytesIO()
    text = zlib.compress(json.dumps({"version": VERSION, **values}).encode(), _QUICKLY)
    np.savez(buffer, allow_pickle=False, values=np.frombuffer(text, np.uint8), **arrays)
    return buffer.getvalue()


def unpack(state: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return what `pack` was given.

    Raises:
        DiarError: no such state, or one of another version.
    """
    try:
        with np.load(io.BytesIO(state), allow_pickle=False) as file:
            arrays = dict(file)
        values = json.loads(zlib.decompress(arrays.pop("values").tobytes()))
        version = values["version"]
    except (ValueError, KeyError, TypeError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DiarError(f"`state` is not that of a stream: {error}") from error
    if version != VERSION:
        raise DiarError(f"`state` is of version {version}, this program reads version {VERSION}")
    return values, arrays


def audio_to_flac(samples: np.ndarray) -> np.ndarray:
    """Return samples (n,) int16 as the bytes of a FLAC file, (m,) uint8."""
    if not len(samples):
        return np.zeros(0, np.uint8)  # which FLAC cannot hold
    buffer = io.BytesIO()
    sf.write(buffer, samples, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    return np.frombuffer(buffer.getvalue(), np.uint8)


def audio_from_flac(content: np.ndarray) -> np.ndarray:
    """Return samples (n,) int16."""
    if not len(content):
        return np.zeros(0, np.int16)
    samples: np.ndarray = sf.read(io.BytesIO(content.tobytes()), dtype="int16")[0]
    return samples
