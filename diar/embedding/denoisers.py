"""Where a denoiser of any kind is used."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

Denoise = Callable[[np.ndarray], np.ndarray]  # samples (n,) float32 → as many, each at its place


class Denoisers(NamedTuple):
    """What takes noise away before networks hear a chunk; None: nothing does."""

    segmentation: Denoise | None = None
    embedding: Denoise | None = None
