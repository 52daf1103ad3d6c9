"""How wrong the turns of a recording may be, told without a reference.

Three signs, each a share or a mean over the recording's speech:

- doubt: the probability that a sliding window belongs to another speaker than the nearest, by the softmax
  over its cosines to all speakers. High where clusters are hardly apart, or one voice has two of them.
- spread: 1 − cosine of a window to its speaker. High in noise and rooms, and where a cluster holds two
  people.
- unsure: probability of the less likely answer, of the local speakers' activity, a second of their speech.

Their weighted sum estimates the diarization error rate. The weights were fitted on 40 simulated
conversations, clean and by telephone, in a room and broadcast; docs/decisions/101-quality.md says how well
the estimate goes with the true error on others. It cannot know what the networks do not hear.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import softmax

from diar.detect.observations import LocalSpeakers, Observations, Windows

_SHARPNESS = 15.0  # of the softmax over cosines, as in `reconstruction`
_DOUBT, _SPREAD, _UNSURE = 1.1, 0.25, 0.45  # weights
_DECIMALS = 4
_ROWS = 4_096  # local speakers that are looked at at once


@dataclass(frozen=True)
class Quality:
    """Signs of errors in one recording, or one side of it.

    Attributes:
        seconds: of speech that they are means of.
        doubt, spread, unsure: see the module.
    """

    seconds: float
    doubt: float
    spread: float
    unsure: float

    @property
    def estimated_der(self) -> float:
        """Return the estimate of the diarization error rate, a share of speech."""
        return min(1.0, _DOUBT * self.doubt + _SPREAD * self.spread + _UNSURE * self.unsure)

    def figures(self) -> dict[str, float]:
        """Return estimate and signs, rounded."""
        names = ("estimated_der", "doubt", "spread", "unsure")
        return {name: round(float(getattr(self, name)), _DECIMALS) for name in names}


def estimate(observations: Observations, centroids: np.ndarray) -> Quality | None:
    """Return the signs of a recording whose speakers have these centroids (K, D); None without speech."""
    windows = observations.windows.reliable
    seconds = float(windows.weight.sum())
    if not len(centroids) or not seconds > 0:
        return None
    doubt, spread = _of_windows(windows, centroids)
    return Quality(seconds, doubt, spread, _unsure(observations.local))


def together(sides: Sequence[Quality | None]) -> Quality | None:
    """Return the mean over sides that are read apart, weighted by their speech."""
    heard = [side for side in sides if side is not None]
    seconds = sum(side.seconds for side in heard)
    if not heard:
        return None
    signs = [(side.doubt, side.spread, side.unsure) for side in heard]
    means = np.average(signs, axis=0, weights=[side.seconds for side in heard])
    return Quality(seconds, *means.tolist())


def _of_windows(windows: Windows, centroids: np.ndarray) -> tuple[float, float]:
    """Return doubt and spread."""
    cosines = windows.embedding @ centroids.T
    likely = softmax(_SHARPNESS * cosines, axis=1).max(axis=1)
    doubt, spread = (
        np.average(values, weights=windows.weight) for values in (1 - likely, 1 - cosines.max(axis=1))
    )
    return float(doubt), float(spread)


def _unsure(local: LocalSpeakers) -> float:
    level = np.arange(256) / 255
    counts = np.zeros(256, np.int64)
    for start in range(0, len(local), _ROWS):
        counts += np.bincount(local.activity[start : start + _ROWS].ravel(), minlength=256)
    speech = float(counts @ level)
    return float(counts @ np.minimum(level, 1 - level)) / speech if speech > 0 else 0.0
