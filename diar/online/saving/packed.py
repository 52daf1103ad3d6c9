"""A stream as bytes, so that it can go on in another process; nothing in them is executed when they are read.

The bytes are an npz file: numbers and names as JSON, arrays as they are, audio as FLAC.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
import soundfile as sf

from diar.errors import DiarError
from diar.online.settings import SAMPLE_RATE

VERSION = 1


def pack(values: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return JSON values and arrays as one npz file."""
    buffer = io.BytesIO()
    text = json.dumps({"version": VERSION, **values})
    np.savez_compressed(buffer, allow_pickle=False, values=np.array(text), **arrays)
    return buffer.getvalue()


def unpack(state: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return what `pack` was given.

    Raises:
        DiarError: no such state, or one of another version.
    """
    try:
        with np.load(io.BytesIO(state), allow_pickle=False) as file:
            arrays = dict(file)
        values = json.loads(str(arrays.pop("values")))
        version = values["version"]
    except (ValueError, KeyError, TypeError, OSError, EOFError, zipfile.BadZipFile) as error:
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
