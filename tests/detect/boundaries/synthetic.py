"""Simulated archives: clusters of unit vectors with the noise spectrum of a speaker encoder."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

DIMENSION = 64


@dataclass(frozen=True)
class Archive:
    embeddings: np.ndarray  # (n, D) float32
    boundaries: list[int]
    speakers: np.ndarray  # (blocks,)
    odd: np.ndarray  # (n,) bool


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def make_archive(
    sizes: Sequence[int],
    *,
    speakers: Sequence[int] | None = None,
    noise: float = 0.4,
    odd: Sequence[int] = (),
    seed: int = 0,
) -> Archive:
    """Blocks of `sizes` files; `noise` is the share of a vector's energy that is not the speaker's."""
    rng = np.random.default_rng(seed)
    speakers = np.arange(len(sizes)) if speakers is None else np.asarray(speakers)
    common = 0.3 * unit(rng.standard_normal(DIMENSION))
    voices = unit(unit(rng.standard_normal((speakers.max() + 1, DIMENSION))) + common)
    spectrum = np.exp(-np.arange(DIMENSION) / 15)
    deviations = np.sqrt(noise * spectrum / spectrum.sum())
    centers = np.sqrt(1 - noise) * np.repeat(voices[speakers], sizes, axis=0)
    vectors = centers + deviations * rng.standard_normal(centers.shape)
    flags = np.zeros(len(vectors), dtype=bool)
    flags[list(odd)] = True
    strangers = np.sqrt(1 - noise) * unit(rng.standard_normal((len(odd), DIMENSION)))
    vectors[flags] = strangers + deviations * rng.standard_normal(strangers.shape)
    boundaries = np.cumsum(sizes)[:-1].tolist()
    return Archive(unit(vectors).astype(np.float32), boundaries, speakers, flags)
