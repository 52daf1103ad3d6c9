"""How wrong the turns of a recording may be, told without a reference.

Four signs, all but `noisy` a share of the recording's speech:

- misheard: miss and false alarm to be expected, by the probabilities of the voices in each frame.
- unsure: probability of the less likely answer to whether a local speaker speaks.
- noisy: amplitude of faint frames over that of loud ones, where noise lies under the voices; 0 if not known.
- unstable: what goes to another speaker when the recording is clustered otherwise: from either half of it,
  from its middle, and with thresholds a little lower and higher.

Their weighted sum estimates the diarization error rate. The weights were fitted on 104 simulated
conversations, clean, by telephone, in a room, broadcast and in noise; docs/decisions/101-quality.md says how
well the estimate goes with the true error on others. It cannot know what the networks do not hear.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from diar.detect.clustering.choose import ClusteringSettings
from diar.detect.observations import LocalSpeakers, Observations, Windows

Cluster = Callable[[Observations, ClusteringSettings], np.ndarray]  # centroids (K, D)
_MISHEARD, _UNSURE, _NOISY, _UNSTABLE = 0.36, 0.20, 0.15, 0.61  # weights
_ALWAYS = 0.05  # what nothing tells of
_LEAST_WINDOWS = 20  # reliable ones, from which a recording is clustered otherwise
_STEP = 0.06  # of the cosine, by which thresholds are moved
_DECIMALS = 4
_ROWS = 4_096  # local speakers that are looked at at once


@dataclass(frozen=True)
class Quality:
    """Signs of errors in one recording, or one side of it.

    Attributes:
        seconds: of speech that they are shares of.
        misheard, unsure, noisy, unstable: see the module.
    """

    seconds: float
    misheard: float
    unsure: float
    noisy: float
    unstable: float

    @property
    def estimated_der(self) -> float:
        """Return the estimate of the diarization error rate, a share of speech."""
        told = _MISHEARD * self.misheard + _UNSURE * self.unsure
        return min(1.0, _ALWAYS + told + _NOISY * self.noisy + _UNSTABLE * self.unstable)

    def figures(self) -> dict[str, float]:
        """Return estimate and signs, rounded."""
        names = ("estimated_der", "misheard", "unsure", "noisy", "unstable")
        return {name: round(float(getattr(self, name)), _DECIMALS) for name in names}


def estimate(
    observations: Observations,
    centroids: np.ndarray,
    misheard: float,
    settings: ClusteringSettings,
    cluster: Cluster,
) -> Quality | None:
    """Return the signs of a recording; None without speech.

    Args:
        observations: of the recording.
        centroids: (K, D) of its speakers.
        misheard: as `reconstruction.Frames` has it.
        settings: of the clustering that found them.
        cluster: finds centroids.
    """
    seconds = float(observations.windows.reliable.weight.sum())
    if not len(centroids) or not seconds > 0:
        return None
    unstable = _unstable(observations, centroids, settings, cluster)
    return Quality(seconds, misheard, _unsure(observations.local), _noisy(observations.level_range), unstable)


def together(sides: Sequence[Quality | None]) -> Quality | None:
    """Return the mean over sides that are read apart, weighted by their speech."""
    heard = [side for side in sides if side is not None]
    if not heard:
        return None
    weights = [side.seconds for side in heard]
    signs = [(side.misheard, side.unsure, side.noisy, side.unstable) for side in heard]
    return Quality(sum(weights), *np.average(signs, axis=0, weights=weights).tolist())


def _unstable(
    observations: Observations, centroids: np.ndarray, settings: ClusteringSettings, cluster: Cluster
) -> float:
    """Return the mean share of speech that changes its speaker."""
    windows = observations.windows.reliable
    if len(windows) < _LEAST_WINDOWS:
        return 0.0
    middle, end = observations.duration / 2, np.nextafter(observations.duration, np.inf)
    parts = [(0.0, middle), (middle, end), (middle / 2, 1.5 * middle)]
    others = [cluster(observations.between(*part), settings) for part in parts]
    others += [cluster(observations, moved) for moved in _moved(settings)]
    return float(np.mean([_changed(windows, centroids, other) for other in others]))


def _moved(settings: ClusteringSettings) -> list[ClusteringSettings]:
    """Return the settings with thresholds a little lower and higher, where the clusterer has one."""
    if settings.used == "iterative":
        threshold = settings.iterative.threshold
        near = [replace(settings.iterative, threshold=threshold + step) for step in (-_STEP, _STEP)]
        return [replace(settings, iterative=one) for one in near]
    if settings.method == "ahc":
        return [replace(settings, ahc_threshold=settings.ahc_threshold + step) for step in (-_STEP, _STEP)]
    return []


def _changed(windows: Windows, centroids: np.ndarray, others: np.ndarray) -> float:
    """Return the share of speech whose speaker has no counterpart among the others."""
    if not len(others):
        return 1.0
    mine, theirs = ((windows.embedding @ one.T).argmax(axis=1) for one in (centroids, others))
    common = np.zeros((len(centroids), len(others)))
    np.add.at(common, (mine, theirs), windows.weight)
    return 1 - _most_in_common(common) / float(windows.weight.sum())


def _most_in_common(common: np.ndarray) -> float:
    """Return the largest sum of entries (K, L), at most one in each row and column."""
    for table in (common, common.T):
        best = table.argmax(axis=1)
        if len(np.unique(best)) == len(best):  # nearly always, and without SciPy's 60 ms to load
            return float(table.max(axis=1).sum())
    from scipy.optimize import linear_sum_assignment

    return float(common[linear_sum_assignment(-common)].sum())


def _noisy(level_range: float | None) -> float:
    return 0.0 if level_range is None else float(10 ** (-level_range / 20))


def _unsure(local: LocalSpeakers) -> float:
    level = np.arange(256) / 255
    counts = np.zeros(256, np.int64)
    for start in range(0, len(local), _ROWS):
        counts += np.bincount(local.activity[start : start + _ROWS].ravel(), minlength=256)
    speech = float(counts @ level)
    return float(counts @ np.minimum(level, 1 - level)) / speech if speech > 0 else 0.0
