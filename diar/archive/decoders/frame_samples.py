"""Samples of one frame that FFmpeg has decoded."""

from __future__ import annotations

from typing import Any

import numpy as np
from av.audio.frame import AudioFrame

_SAMPLE_TYPES = {"u8": "u1", "s16": "i2", "s32": "i4", "s64": "i8", "flt": "f4", "dbl": "f8"}  # FFmpeg, NumPy


def frame_samples(frame: AudioFrame) -> np.ndarray:
    """Return (channels, n) float32 in ±1; `to_ndarray` would read beyond the frame from 8 planes on."""
    channels = frame.layout.nb_channels
    kind = _SAMPLE_TYPES[frame.format.name.removesuffix("p")]
    if frame.format.is_planar:
        planes: list[Any] = list(frame.planes[:channels])
        values = np.stack([np.frombuffer(plane, kind, frame.samples) for plane in planes])
    else:
        plane: Any = frame.planes[0]
        values = np.frombuffer(plane, kind, frame.samples * channels).reshape(-1, channels).T
    samples = values.astype(np.float32, copy=False)
    if kind == "u1":
        return (samples - np.float32(128)) / np.float32(128)
    if values.dtype.kind == "i":
        return samples / np.float32(2.0 ** (8 * values.dtype.itemsize - 1))
    return samples
