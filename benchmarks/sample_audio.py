"""Audio for the benchmarks, made in seconds: noise with the pauses and the changing spectrum of speech."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import soundfile as sf

RATE = 16_000
SUFFIXES = {"wav": ("WAV", "PCM_16"), "flac": ("FLAC", "PCM_16"), "mp3": ("MP3", "MPEG_LAYER_III")}


def speech_like(seconds: float, seed: int = 0) -> np.ndarray:
    """Return (n,) float32 noise with pauses; level and spectrum change every quarter of a second."""
    rng = np.random.default_rng(seed)
    piece = RATE // 4
    count = max(1, round(seconds * RATE)) // piece + 1
    samples = np.empty(count * piece, np.float32)
    for index in range(count):
        level = 0.001 if rng.random() < 0.2 else rng.uniform(0.05, 0.3)
        colour = rng.standard_normal(32) * np.exp(-np.arange(32) / rng.uniform(2, 12))
        noise = np.convolve(rng.standard_normal(piece + 31), colour, "valid")
        samples[index * piece : (index + 1) * piece] = level * noise / np.abs(noise).max()
    return samples[: round(seconds * RATE)]


def write_archive(folder: Path, kind: str, seconds: float, files: int, distinct: int = 4) -> float:
    """Write `files` recordings of so many seconds, hard links to a few distinct ones; return all seconds."""
    folder.mkdir(parents=True)
    container, subtype = SUFFIXES[kind]
    for index in range(files):
        path = folder / f"{index:06d}.{kind}"
        if index < distinct:
            sf.write(path, speech_like(seconds, index), RATE, format=container, subtype=subtype)
        else:
            os.link(folder / f"{index % distinct:06d}.{kind}", path)
    return files * seconds
