"""What a cosine means in one recording, by the recording's own evidence.

One threshold for all recordings merges people where the channel makes voices alike: over a telephone, two
people have a cosine of 0.45 on average, in clean wide-band speech 0.2. Local speakers that talk in the same
window are different people, so every conversation shows how alike different voices are in it. Cosines are
then read as shares of the way from there to 1 (decision 054).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from diar.detect.observations import LocalSpeakers, Observations

if TYPE_CHECKING:
    from diar.detect.clustering.iterative import IterativeSettings

REFERENCE = 0.22  # cosine of different people for which thresholds are given: clean wide-band speech
_NARROW = 0.40  # the same over a telephone
_ASSUMED = 10  # pairs that these weigh as much as, against those of the recording
_CLEAN_SECONDS = 1.0  # of each of a pair, to count


def different_cosine(observations: Observations) -> float:
    """How alike different people are in a recording: the median of its pairs, shrunk where they are few."""
    assumed = _NARROW if observations.narrow_band else REFERENCE
    pairs = _pairs(observations.local)
    if not len(pairs):
        return assumed
    return float((np.median(pairs) * len(pairs) + assumed * _ASSUMED) / (len(pairs) + _ASSUMED))


def translated(cosine: float, different: float) -> float:
    """A threshold given for `REFERENCE`, where different people have a cosine of `different`."""
    return different + (cosine - REFERENCE) * (1 - different) / (1 - REFERENCE)


def calibrated(settings: IterativeSettings, different: float) -> IterativeSettings:
    """`settings` with all cosines translated."""
    names = ("threshold", "start_threshold", "stray_cosine")
    return replace(settings, **{name: translated(getattr(settings, name), different) for name in names})


def _pairs(local: LocalSpeakers) -> np.ndarray:
    """Cosines of local speakers that share a chunk and have enough clean speech, each pair once."""
    chosen = local.clean_seconds >= _CLEAN_SECONDS
    chunk, embedding = local.chunk[chosen], local.embedding[chosen]
    found = [np.empty(0)]
    for apart in range(1, int(np.bincount(chunk).max(initial=0))):  # rows ascend by chunk
        same = np.flatnonzero(chunk[apart:] == chunk[:-apart])
        found.append(np.einsum("ij,ij->i", embedding[same], embedding[same + apart]))
    return np.concatenate(found)
