"""What every denoiser does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

import numpy as np


class DenoiserStream(Protocol):
    """One signal that comes in blocks."""

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Take samples (n,) float32 at 16 kHz; return those that are complete, from where the last ended."""
        ...

    def finish(self) -> np.ndarray:
        """Return the rest, with samples after the end of the signal."""
        ...


class Denoiser(Protocol):
    """A network that takes noise away; several threads may use one."""

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """Return samples (n,) float32 at 16 kHz without noise: as many, each at its place."""
        ...

    def stream(self) -> DenoiserStream:
        """Return what enhances audio that comes in blocks; in all, it gives what the whole gives."""
        ...


def denoised(denoiser: Denoiser, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield the blocks (n,) of one signal without noise, in other sizes; as many samples in all."""
    stream, heard, told = denoiser.stream(), 0, 0
    for block in blocks:
        heard += len(block)
        made = stream.push(block)
        told += len(made)
        if len(made):
            yield made
    if heard > told:
        yield stream.finish()[: heard - told]
