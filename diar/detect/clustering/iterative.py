"""Iterative clustering: over-cluster, re-assign sliding windows, merge what is one speaker; method `auto`.

A local speaker is sometimes two people who speak one after the other, so clusters of local speakers alone are
impure. A window of a second hardly ever holds two people, but is too short to tell how many there are. So
clusters start from local speakers, and every round re-estimates them from windows and local speakers
together; pure, long clusters are then easy to compare. Two clusters whose local speakers are active in the
same seg_windows are two people, however alike they sound (docs/decisions/033-clustering.md).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from diar.detect.clustering.assignment import NO_CLUSTER, assign_local
from diar.detect.clustering.calibration import calibrated, different_cosine
from diar.detect.clustering.over_clustering import over_cluster
from diar.detect.clustering.similarity import unit_rows
from diar.detect.clustering.speaker_count import SpeakerCount
from diar.detect.clustering.two_voices import Halves, TwoVoices, clearest_two_voices, halve
from diar.detect.observations import Observations

_PART_SECONDS = 3_600.0
_CLEAN_SECONDS = 1.0  # of a local speaker to start a cluster
_ITERATIONS = 6
_MOST_SPLITS = 20
_CHANGED = 1e-4  # of a coordinate of a centroid


@dataclass(frozen=True)
class IterativeSettings:
    """What decides how many clusters there are; cosines are as in clean wide-band speech (`calibrated`)."""

    threshold: float = 0.60  # cosine of centroids above which two clusters are one speaker
    start_threshold: float = 0.70  # mean cosine within the clusters of the start
    stray_cosine: float = 0.45  # to the nearest cluster of the start, below which windows start one, too
    coexistence_penalty: float = 1.0  # off the cosine, times the share of time in the same seg_windows …
    coexistence_seconds: float = 5.0  # … halved at so many seconds, since a seg_window may split a voice
    least_share: float = 0.01  # of all speech in a cluster; less is given to the others …
    least_seconds: float = 1.5  # … but not less than this many seconds …
    enough_seconds: float = 4.0  # … and this many are enough …
    least_apart: float = 0.5  # … unless for this share of its time it stands beside the most similar one …
    least_heard: float = 0.75  # … and has so many seconds of speech in one seg_window
    two_voices: TwoVoices = field(default_factory=TwoVoices)  # when a cluster is two speakers

    def required_seconds(self, speech: float) -> float:
        """Seconds that a cluster needs in a recording with so many seconds of speech.

        The longer a recording, the more often chance puts a few odd windows into one cluster.
        """
        return min(self.enough_seconds, max(self.least_seconds, self.least_share * speech))


def cluster_iteratively(
    observations: Observations, settings: IterativeSettings, count: SpeakerCount
) -> np.ndarray:
    """Return the centroids (K, D) of a recording's speakers, L2-normalised; K is 0 where nobody speaks.

    More than two hours are clustered hour by hour, and the whole starts from the clusters of all hours. So
    time grows with the length, not with its square.
    """
    settings = calibrated(settings, different_cosine(observations))
    start = None
    parts = int(np.ceil(observations.duration / _PART_SECONDS))
    if observations.duration > 2 * _PART_SECONDS:
        edges = np.linspace(0.0, np.nextafter(observations.duration, np.inf), parts + 1)
        found = [
            _Clusters(observations.between(low, high), settings, SpeakerCount()).find()
            for low, high in pairwise(edges)
        ]
        start = np.concatenate(found)
    return _Clusters(observations, settings, count).find(start)


class _Clusters:
    """The clusters of one recording while they are being found.

    Args:
        observations: what stage 1 saw.
        settings: see there.
        count: how many clusters are allowed.
    """

    def __init__(self, observations: Observations, settings: IterativeSettings, count: SpeakerCount) -> None:
        self._settings = settings
        self._count = count
        self._windows = observations.windows.reliable
        self._window_weight = self._windows.weight
        self._local = observations.local
        self._local_weight = self._local.weight * 0.5 + 1e-4  # windows see the same speech
        self._window_cluster = np.empty(0, np.int64)
        self._local_cluster = np.empty(0, np.int64)

    def find(self, start: np.ndarray | None = None) -> np.ndarray:
        """Return the centroids (K, D), found from `start`, which has too many, or from nothing."""
        centroids = self._estimate(self._start() if start is None else start)
        centroids = self._estimate(self._with_leftovers(centroids))
        while len(centroids) > 1:
            fewer = self._merge(centroids)
            if len(fewer) == len(centroids):
                fewer = self._without_smallest(centroids)
            if len(fewer) == len(centroids):
                break
            centroids = self._estimate(fewer)
        return self._with_voices_apart(centroids)

    def _start(self) -> np.ndarray:
        chosen = self._local.clean_seconds >= _CLEAN_SECONDS
        if chosen.any():
            embeddings, weights = self._local.embedding[chosen], self._local_weight[chosen]
        else:
            embeddings, weights = self._windows.embedding, self._window_weight
        threshold = self._settings.start_threshold
        means, _ = over_cluster(embeddings, weights, threshold)
        while len(means) < min(self._count.minimum, len(embeddings)) and threshold < 1.0:
            threshold += 0.05
            means, _ = over_cluster(embeddings, weights, threshold)
        return unit_rows(means)

    def _with_leftovers(self, centroids: np.ndarray) -> np.ndarray:
        """Add clusters of stray windows, and of local speakers for whom no cluster was left."""
        local, windows = self._local, self._windows
        left = (self._local_cluster == NO_CLUSTER) & (local.speech_seconds >= 0.5)
        nearest = (windows.embedding @ centroids.T).max(axis=1, initial=-1.0)
        stray = nearest < self._settings.stray_cosine
        threshold = self._settings.start_threshold
        more, _ = over_cluster(local.embedding[left], self._local_weight[left], threshold)
        others, _ = over_cluster(windows.embedding[stray], self._window_weight[stray], threshold)
        return np.concatenate([centroids, unit_rows(more), unit_rows(others)])

    def _with_voices_apart(self, centroids: np.ndarray) -> np.ndarray:
        """Split clusters that hold two voices, the clearest first, and assign anew, while any does."""
        rule = self._settings.two_voices
        for _ in range(_MOST_SPLITS):
            found = {cluster: self._halves(cluster) for cluster in range(len(centroids))}
            halves = {cluster: own for cluster, own in found.items() if own is not None}
            cluster = clearest_two_voices(halves, rule)
            if cluster is None or self._count.exceeded_by(len(centroids) + 1):
                break
            others = np.delete(centroids, cluster, axis=0)
            centroids = self._estimate(np.concatenate([others, halves[cluster].centroids]))
        return centroids

    def _halves(self, cluster: int) -> Halves | None:
        own = self._window_cluster == cluster
        return halve(self._windows.embedding[own], self._window_weight[own], self._settings.two_voices)

    def _estimate(self, centroids: np.ndarray) -> np.ndarray:
        """Assign and average in turn until the centroids stay; drop clusters without members."""
        for _ in range(_ITERATIONS):
            self._assign(centroids)
            sums = self._sums(len(centroids))
            used = np.linalg.norm(sums, axis=1) > 0
            updated = unit_rows(sums[used])
            done = len(updated) == len(centroids) and np.abs(updated - centroids).max(initial=0) < _CHANGED
            centroids = updated
            if done:
                break
        self._assign(centroids)
        return centroids

    def _assign(self, centroids: np.ndarray) -> None:
        self._local_cluster = assign_local(self._local, centroids)
        if len(centroids):
            self._window_cluster = (self._windows.embedding @ centroids.T).argmax(axis=1)
        else:
            self._window_cluster = np.empty(0, np.int64)

    def _sums(self, clusters: int) -> np.ndarray:
        """Return (K, D): the weighted sum of each cluster's members."""
        members = self._local_cluster != NO_CLUSTER
        sums = np.zeros((clusters, self._local.embedding.shape[1]))
        windows = self._windows.embedding * self._window_weight[:, None]
        local = self._local.embedding[members] * self._local_weight[members, None]
        if clusters:
            np.add.at(sums, self._window_cluster, windows)
            np.add.at(sums, self._local_cluster[members], local)
        return sums

    def _coexistence(self, clusters: int) -> tuple[np.ndarray, np.ndarray]:
        """Return seconds (K, K) that pairs are active in the same seg_windows, and seconds (K,) of each."""
        local = self._local
        active = np.zeros((len(local.seg_window_start), clusters))
        members = self._local_cluster != NO_CLUSTER
        np.add.at(
            active,
            (local.seg_window[members], self._local_cluster[members]),
            local.speech_seconds[members],
        )
        together = np.zeros((clusters, clusters))
        for cluster in range(clusters):
            own = active[:, cluster]
            present = own > 0
            together[cluster] = np.minimum(active[present], own[present, None]).sum(axis=0)
        np.fill_diagonal(together, 0.0)
        return together, active.sum(axis=0)

    def _merge(self, centroids: np.ndarray) -> np.ndarray:
        """Merge the most similar pair again and again, while two are one speaker or there are too many."""
        clusters = len(centroids)
        sums = self._sums(clusters)
        together, seconds = self._coexistence(clusters)
        alive = np.ones(clusters, bool)
        while alive.sum() > self._count.minimum:
            units = unit_rows(sums)
            score = units @ units.T - self._penalty(together, seconds)
            score[~alive] = score[:, ~alive] = -np.inf
            np.fill_diagonal(score, -np.inf)
            first, second = np.unravel_index(score.argmax(), score.shape)
            if score[first, second] <= self._settings.threshold and not self._count.exceeded_by(alive.sum()):
                break
            for values in (sums, seconds, together):
                values[first] += values[second]
            together[:, first] += together[:, second]
            together[first, first] = 0.0
            alive[second] = False
        return unit_rows(sums[alive])

    def _penalty(self, together: np.ndarray, seconds: np.ndarray) -> np.ndarray:
        """Return what coexistence takes off the cosine of each pair, (K, K); see `_coexistence`."""
        shorter = np.maximum(np.minimum(seconds[:, None], seconds), 1e-6)
        sure = together / (together + self._settings.coexistence_seconds)
        return np.asarray(self._settings.coexistence_penalty * sure * together / shorter)

    def _without_smallest(self, centroids: np.ndarray) -> np.ndarray:
        """Take away clusters with too little speech to be speakers of their own, the smaller half of them."""
        clusters = len(centroids)
        if clusters <= self._count.minimum:
            return centroids
        seconds = np.bincount(self._window_cluster, self._window_weight, minlength=clusters)
        together, active = self._coexistence(clusters)
        shorter = np.maximum(np.minimum(active[:, None], active), 1e-6)
        similarity = centroids @ centroids.T
        np.fill_diagonal(similarity, -np.inf)
        nearest = similarity.argmax(axis=1)  # who would get its speech
        apart = (together / shorter)[np.arange(clusters), nearest]
        longest = np.zeros(clusters)
        members = self._local_cluster != NO_CLUSTER
        np.maximum.at(longest, self._local_cluster[members], self._local.speech_seconds[members])
        stands_apart = (apart > self._settings.least_apart) & (longest >= self._settings.least_heard)
        small = (seconds < self._settings.required_seconds(seconds.sum())) & ~stands_apart
        if not small.any():
            return centroids
        by_size = np.flatnonzero(small)[np.argsort(seconds[small], kind="stable")]
        leave = min(-(-len(by_size) // 2), clusters - self._count.minimum)
        return np.delete(centroids, by_size[:leave], axis=0)
