"""The clusterers by name, all called in one way."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from diar.detect.clustering.ahc import cluster_ahc
from diar.detect.clustering.calibration import REFERENCE, different_cosine, translated
from diar.detect.clustering.iterative import IterativeSettings, cluster_iteratively
from diar.detect.clustering.over_clustering import cluster_means, over_cluster
from diar.detect.clustering.plda import Plda
from diar.detect.clustering.similarity import unit_rows
from diar.detect.clustering.speaker_count import SpeakerCount
from diar.detect.clustering.spectral import cluster_spectral
from diar.detect.clustering.vbx import cluster_vbx
from diar.detect.observations import Observations
from diar.errors import DiarError

Method = Literal["auto", "iterative", "ahc", "spectral", "vbx"]

_MOST_ROWS = 2_000  # that a clusterer with quadratic memory gets at once
_START_THRESHOLD = 0.6  # mean cosine of what is clustered beforehand where there are more


@dataclass(frozen=True)
class ClusteringSettings:
    """Settings of all clusterers; each uses its own."""

    method: Method = "auto"
    count: SpeakerCount = field(default_factory=SpeakerCount)
    iterative: IterativeSettings = field(default_factory=IterativeSettings)
    ahc_threshold: float = 0.3
    plda: Plda | None = None
    vbx_fa: float = 0.3
    vbx_fb: float = 17.0
    vbx_loop_probability: float = 0.9

    @property
    def used(self) -> str:
        """Name of the clusterer that tells the voices apart; `auto` is `iterative`."""
        return "iterative" if self.method == "auto" else self.method


def find_centroids(observations: Observations, settings: ClusteringSettings) -> np.ndarray:
    """Return the centroids (K, D) of a recording's speakers, L2-normalised; K is 0 where nobody speaks.

    Raises:
        DiarError: `vbx` without PLDA.
    """
    if settings.used == "iterative":
        return cluster_iteratively(observations, settings.iterative, settings.count)
    embeddings, weights = _units(observations)
    if not len(embeddings):
        return embeddings
    if settings.method == "vbx":
        return _vbx(embeddings, weights, settings)
    least_seconds = settings.iterative.required_seconds(float(weights.sum()))
    if settings.method == "spectral":
        coverage = observations.windows.reliable.coverage
        every = max(math.ceil(coverage - 1e-6), math.ceil(len(embeddings) / _MOST_ROWS))
        return cluster_spectral(
            embeddings[::every], every * weights[::every], settings.count, least_seconds=least_seconds
        )
    embeddings, weights = _fewer(embeddings, weights)
    return cluster_ahc(
        embeddings,
        weights,
        settings.count,
        # Never lowered: where voices differ more, windows of two people hardly do, unlike clusters
        threshold=translated(settings.ahc_threshold, max(REFERENCE, different_cosine(observations))),
        least_seconds=least_seconds,
    )


def _units(observations: Observations) -> tuple[np.ndarray, np.ndarray]:
    """Return embeddings (n, D) and seconds (n,) of windows, or of local speakers if no window is reliable."""
    windows = observations.windows.reliable
    if len(windows):
        return windows.embedding, windows.weight
    spoken = observations.local.speech_seconds > 0
    return observations.local.embedding[spoken], observations.local.weight[spoken]


def _fewer(embeddings: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Merge alike rows until at most 2000 are left; the threshold falls as long as there are more."""
    threshold = _START_THRESHOLD
    while len(embeddings) > _MOST_ROWS:
        embeddings, weights = over_cluster(embeddings, weights, threshold)
        threshold -= 0.05
    return embeddings, weights


def _vbx(embeddings: np.ndarray, weights: np.ndarray, settings: ClusteringSettings) -> np.ndarray:
    if settings.plda is None:
        raise DiarError(
            "`clustering=vbx` needs `plda`, a PLDA model trained on embeddings of the same encoder"
        )
    plda = settings.plda
    found = cluster_vbx(
        plda.transform(embeddings),
        plda.psi,
        fa=settings.vbx_fa,
        fb=settings.vbx_fb,
        loop_probability=settings.vbx_loop_probability,
    )
    means, seconds = cluster_means(embeddings, weights, found.labels)
    if settings.count.clip(len(means)) == len(means):
        return unit_rows(means)
    if len(means) < settings.count.minimum:
        means, seconds = _fewer(embeddings, weights)
    wanted = settings.count.clip(len(found.speakers))
    return cluster_ahc(means, seconds, SpeakerCount(wanted, wanted), threshold=1.0, least_seconds=0.0)
