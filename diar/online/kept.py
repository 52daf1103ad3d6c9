"""The tracks of a stream, made chunk by chunk as offline, and what the offline pipeline says of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import linear_sum_assignment

from diar.detect.clustering.calibration import different_cosine, translated
from diar.detect.clustering.choose import find_centroids
from diar.detect.diarize import DiarizedRecording, diarize
from diar.detect.linking.evidence import CAMPPLUS
from diar.detect.observations import LocalSpeakers, Observations
from diar.detect.reconstruction import reconstruct
from diar.embedding.rows import ChunkEmbeddings, assemble
from diar.online.settings import SAMPLE_RATE, LiveSettings
from diar.records import ActivityFrames, RecordingRow, RecordingTracks

_SEEN = 15.0  # seconds before a frame, in which seg_windows that see it begin
_NARROW_HZ = 4_000.0  # of sound, where a stream comes over a telephone


class Kept:
    """The chunks of the last `keep_seconds`.

    Args:
        settings: of the stream.
        frames: where the frames of the segmentation lie.
        metadata: of the networks.
        chunk_seconds: from one chunk to the next.
    """

    def __init__(
        self,
        settings: LiveSettings,
        frames: ActivityFrames,
        metadata: dict[str, str],
        chunk_seconds: float,
    ) -> None:
        self._settings, self._frames, self._metadata = settings, frames, metadata
        self._chunk_seconds = chunk_seconds
        self._most = int(settings.keep_seconds // chunk_seconds)
        self.chunks: dict[int, ChunkEmbeddings] = {}

    @property
    def start(self) -> float:
        """Second from which on tracks are kept."""
        first = min(self.chunks, default=0)
        return first * self._chunk_seconds

    def add(self, index: int, made: ChunkEmbeddings) -> None:
        """Keep a chunk, and forget those that are too old."""
        self.chunks[index] = made
        self.chunks = {number: kept for number, kept in self.chunks.items() if number > index - self._most}

    def stored(self, duration: float, last: ChunkEmbeddings | None = None) -> RecordingTracks:
        """Return the tracks as stage 1 stores them, with those of an unfinished `last` chunk."""
        chunks = [self.chunks[number] for number in sorted(self.chunks)]
        made = assemble([*chunks, *([] if last is None else [last])], SAMPLE_RATE)
        row = RecordingRow(
            "live",
            "live",
            duration=duration,
            sample_rate=SAMPLE_RATE,
            channels=1,
            tracks=len(made.tracks),
            speech_seconds=made.speech_seconds,
            overlap_seconds=made.overlap_seconds,
            bandwidth=_NARROW_HZ if self._settings.narrow_band else 0.0,
            embedding=made.embedding,
        )
        return RecordingTracks(row, made.tracks, self._frames, self._metadata)

    def observations(self, duration: float, last: ChunkEmbeddings | None = None) -> Observations:
        """Return what the clusterer sees."""
        return Observations.of(self.stored(duration, last))


@dataclass(frozen=True)
class Clusters:
    """The clusters of an offline clustering beside the speakers before.

    Attributes:
        centroids: (K, D), L2-normalised.
        seconds: (K,) of clean speech in each.
        shared: (K, S) seconds of each cluster in the turns of each speaker before.
        own: (K,) column of the speaker before that each cluster is; -1 where it is nobody's.
        part: (S, D) sum of unit vectors, each times its seconds, of what each speaker before said in the
            cluster that has most of it.
        part_seconds: (S,) of clean speech in `part`.
        different: cosine of different people in these tracks.
        alike: cosine from which two clusters are one speaker.
    """

    centroids: np.ndarray
    seconds: np.ndarray
    shared: np.ndarray
    own: np.ndarray
    part: np.ndarray
    part_seconds: np.ndarray
    different: float
    alike: float

    def least_alike(self, seconds: float) -> float:
        """Return the cosine from which so many seconds of speech and a cluster are one speaker."""
        share = 1 / (1 + float(CAMPPLUS.content_variance(np.array(seconds))))
        return self.different + (self.alike - self.different) * float(share**0.5)


def cluster(observations: Observations, told: list[np.ndarray], settings: LiveSettings) -> Clusters:
    """Cluster as offline, and find who of the speakers before each cluster is.

    Args:
        observations: the tracks.
        told: S × (n, 2) seconds in which each speaker was told to speak.
        settings: of the stream.
    """
    centroids = find_centroids(observations, settings.offline.clustering)
    center, embedding, weight = _units(observations)
    different = different_cosine(observations)
    alike = translated(settings.offline.clustering.iterative.threshold, different)
    spoken = np.zeros((len(told), len(center)), bool)
    for column, own in enumerate(told):
        spoken[column] = ((center[:, None] >= own[:, 0]) & (center[:, None] < own[:, 1])).any(axis=1)
    if not len(centroids) or not len(embedding):
        nobody = np.full(len(centroids), -1)
        shared = np.zeros((len(centroids), len(told)))
        part = np.zeros((len(told), embedding.shape[1]))
        none, nothing = np.zeros(len(centroids)), np.zeros(len(told))
        return Clusters(centroids, none, shared, nobody, part, nothing, different, alike)
    new = (embedding @ centroids.T).argmax(axis=1)
    centroids, new = _folded(centroids, new, embedding * weight[:, None], spoken, weight, alike)
    shared = _shared(new, len(centroids), spoken, weight)
    main = spoken & (new == shared.argmax(axis=0)[:, None])
    part, part_seconds = (main * weight) @ embedding, main @ weight
    seconds = np.bincount(new, weight, minlength=len(centroids))
    return Clusters(centroids, seconds, shared, _owners(shared), part, part_seconds, different, alike)


def _shared(new: np.ndarray, clusters: int, spoken: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return the seconds of each cluster in the turns of each speaker, (clusters, speakers)."""
    shared = np.zeros((clusters, len(spoken)))
    for column, own in enumerate(spoken):
        shared[:, column] = np.bincount(new[own], weight[own], minlength=clusters)
    return shared


def _owners(shared: np.ndarray) -> np.ndarray:
    """Return the column of the speaker that each cluster is, -1 where it is nobody's."""
    owners = np.full(len(shared), -1)
    for row, column in zip(*linear_sum_assignment(-shared), strict=True):
        if shared[row, column] > 0:
            owners[row] = column
    return owners


def _folded(
    centroids: np.ndarray,
    new: np.ndarray,
    weighted: np.ndarray,
    spoken: np.ndarray,
    weight: np.ndarray,
    alike: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Return centroids and the cluster of each row, without clusters that would be mistaken for new speakers.

    A cluster that is nobody's is no new speaker where it is as alike to the cluster of the one who was told
    in most of it as clusters of one speaker are.
    """
    shared = _shared(new, len(centroids), spoken, weight)
    owners, target = _owners(shared), np.arange(len(centroids))
    for row in np.flatnonzero((owners < 0) & (shared.sum(axis=1) > 0)):
        (whose,) = np.nonzero(owners == shared[row].argmax())
        if len(whose) and centroids[row] @ centroids[whose[0]] >= alike:
            target[row] = whose[0]
    if (target == np.arange(len(centroids))).all():
        return centroids, new
    left = np.unique(target)
    new = np.searchsorted(left, target[new])
    centroids = centroids[left].copy()
    for row in np.flatnonzero(np.isin(left, target[target != np.arange(len(target))])):
        total = weighted[new == row].sum(axis=0)
        centroids[row] = total / np.linalg.norm(total)
    return centroids, new


def _units(observations: Observations) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return centres (n,), embeddings (n, D) and weights (n,) of windows, else of local speakers."""
    windows, local = observations.windows.reliable, observations.local
    if len(windows):
        return (windows.start + windows.end) / 2, windows.embedding, windows.weight
    return span_of(local)[local.seg_window].mean(axis=1), local.embedding, local.weight


def relabel(
    observations: Observations,
    centroids: np.ndarray,
    settings: LiveSettings,
    frames: ActivityFrames,
    span: tuple[int, int],
) -> np.ndarray:
    """Return who speaks in the frames first … end of the stream, (frames, K) bool, as offline.

    Args:
        observations: of the whole stream, or its end.
        centroids: (K, D) of the speakers.
        settings: of the stream.
        frames: where the frames lie.
        span: first and end.
    """
    first = max(0, span[0] - round(_SEEN / frames.step))
    begin = first * frames.step
    half = max(np.diff(span_of(observations.local)).max(initial=0.0) / 2, 0.0)
    recent = later(observations.between(begin + half if first else 0.0, np.inf), begin)
    preset = settings.diarize.preset_for(observations)
    found = reconstruct(recent, centroids, preset.reconstruction).active.T
    labels = np.zeros((span[1] - span[0], len(centroids)), bool)
    part = found[span[0] - first : span[1] - first]
    labels[: len(part)] = part
    return labels


def span_of(local: LocalSpeakers) -> np.ndarray:
    """Return start and end of the seg_windows, (s, 2) seconds."""
    return np.column_stack([local.seg_window_start, local.seg_window_end])


def later(observations: Observations, seconds: float) -> Observations:
    """Return observations whose time 0 is `seconds` later."""
    windows, local = observations.windows, observations.local
    return replace(
        observations,
        duration=observations.duration - seconds,
        windows=replace(windows, start=windows.start - seconds, end=windows.end - seconds),
        local=replace(
            local,
            seg_window_start=local.seg_window_start - seconds,
            seg_window_end=local.seg_window_end - seconds,
        ),
    )


def finished(observations: Observations, settings: LiveSettings) -> DiarizedRecording:
    """Return the offline pipeline's result."""
    return diarize(observations, settings.offline)
