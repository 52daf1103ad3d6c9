"""What a cosine means in one recording, by the recording's own evidence.

One threshold for all recordings merges people where the channel makes voices alike: two people have a mean
cosine of 0.45 over a telephone, 0.2 in clean wide-band speech. Local speakers of one seg_window are different
people, so every conversation shows how alike different voices are in it. Thresholds are moved accordingly
(decision 054).
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
_ASSUMED = 10  # weight of these two, in pairs of the recording
_CLEAN_SECONDS = 1.0  # that both of a pair need


def different_cosine(observations: Observations) -> float:
    """Return the median cosine of different people in a recording, shrunk if its pairs are few."""
    assumed = _NARROW if observations.narrow_band else REFERENCE
    pairs = cosines_of_different(observations.local)
    if not len(pairs):
        return assumed
    return float((np.median(pairs) * len(pairs) + assumed * _ASSUMED) / (len(pairs) + _ASSUMED))


def translated(cosine: float, different: float) -> float:
    """Translate a threshold given for `REFERENCE` to where different people have the cosine `different`."""
    return different + (cosine - REFERENCE) * (1 - different) / (1 - REFERENCE)


def calibrated(settings: IterativeSettings, different: float) -> IterativeSettings:
    """Return `settings` with all cosines translated."""
    names = ("threshold", "start_threshold", "stray_cosine")
    two_voices = replace(settings.two_voices, cosine=translated(settings.two_voices.cosine, different))
    cosines = {name: translated(getattr(settings, name), different) for name in names}
    return replace(settings, two_voices=two_voices, **cosines)


def cosines_of_different(local: LocalSpeakers) -> np.ndarray:
    """Return the cosines of pairs that share a seg_window and have enough clean speech."""
    chosen = local.clean_seconds >= _CLEAN_SECONDS
    seg_window, embedding = local.seg_window[chosen], local.embedding[chosen]
    found = [np.empty(0)]
    for apart in range(1, int(np.bincount(seg_window).max(initial=0))):  # rows ascend by seg_window
        same = np.flatnonzero(seg_window[apart:] == seg_window[:-apart])
        found.append(np.einsum("ij,ij->i", embedding[same], embedding[same + apart]))
    return np.concatenate(found)
