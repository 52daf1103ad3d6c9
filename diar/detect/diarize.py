"""One recording: from the observations of stage 1 to turns, and to what linking needs of each speaker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from diar.detect.clustering.assignment import NO_CLUSTER, assign_local
from diar.detect.clustering.choose import ClusteringSettings, find_centroids
from diar.detect.clustering.speaker_count import SpeakerCount
from diar.detect.community.diarize import find_speakers
from diar.detect.community.settings import Community
from diar.detect.observations import Observations
from diar.detect.postprocessing import exclusive_turns, speaker_turns
from diar.detect.presets import PRESETS, Preset
from diar.detect.quality import Quality, estimate
from diar.detect.reconstruction import Frames, reconstruct
from diar.records import MIXED

FindCentroids = Callable[[Observations, ClusteringSettings], np.ndarray]


@dataclass(frozen=True)
class DiarizeSettings:
    """All that decides the turns."""

    clustering: ClusteringSettings = field(default_factory=ClusteringSettings)
    preset: Preset = field(default_factory=lambda: PRESETS["general"])
    narrow_preset: Preset = field(default_factory=lambda: PRESETS["telephone"])  # of narrow-band recordings
    quality: bool = False  # tell how wrong the turns may be, which takes four times as long as all else
    pipeline: Community | None = None  # finds the turns, in place of clustering and presets

    @property
    def used(self) -> str:
        """Name of what tells the voices apart."""
        return self.clustering.used if self.pipeline is None else "pipeline"

    def preset_for(self, observations: Observations) -> Preset:
        """Return the preset of a recording's bandwidth."""
        return self.narrow_preset if observations.narrow_band else self.preset


@dataclass(frozen=True)
class DiarizedRecording:
    """Who speaks when in one recording; K speakers, in the order of their first turns."""

    turns: list[np.ndarray]  # K × (n, 2) seconds, ascending; speakers may overlap
    exclusive: list[np.ndarray]  # the same without overlap
    embedding: np.ndarray  # (K, D) float32, L2-normalised
    clean_seconds: np.ndarray  # (K,) of single-speaker speech in the embedding
    channel: np.ndarray  # (K,) where each is heard; MIXED where the recording is one signal
    channels: tuple[int, ...] = ()  # that are read apart
    narrow_band: bool = False  # the recording comes over a telephone
    quality: Quality | None = None  # signs of errors; None where nobody speaks, or nobody asked


def diarize(
    observations: Observations, settings: DiarizeSettings, find: FindCentroids = find_centroids
) -> DiarizedRecording:
    """Cluster one recording, reconstruct its frames and clean up its turns.

    Args:
        observations: of the recording.
        settings: all that decides the turns.
        find: clusters; one that remembers serves several settings.

    Raises:
        DiarError: a clusterer that lacks what it needs.
    """
    if settings.pipeline is not None:
        return _by_pipeline(observations, settings.pipeline, settings.clustering.count)
    centroids = find(observations, settings.clustering)
    preset = settings.preset_for(observations)
    frames = reconstruct(observations, centroids, preset.reconstruction)
    turns = speaker_turns(frames, preset.turns, observations.duration)
    exclusive = exclusive_turns(frames, preset.turns, observations.duration)
    order = by_first_turn(turns)
    seconds = _clean_seconds(observations, centroids)
    return DiarizedRecording(
        turns=[turns[k] for k in order],
        exclusive=[exclusive[k] for k in order],
        embedding=centroids[order].astype(np.float32),
        clean_seconds=seconds[order],
        channel=np.full(len(order), MIXED),
        narrow_band=observations.narrow_band,
        quality=_quality(observations, centroids, frames, settings) if settings.quality else None,
    )


def _quality(
    observations: Observations, centroids: np.ndarray, frames: Frames, settings: DiarizeSettings
) -> Quality | None:
    return estimate(observations, centroids, frames.misheard, settings.clustering, find_centroids)


def by_first_turn(turns: Sequence[np.ndarray]) -> list[int]:
    """Return the speakers who have turns, in the order of their first ones."""
    spoken = [k for k in range(len(turns)) if len(turns[k])]
    return sorted(spoken, key=lambda k: float(turns[k][0, 0]))


def _by_pipeline(observations: Observations, settings: Community, count: SpeakerCount) -> DiarizedRecording:
    found = find_speakers(observations, settings, count)
    order = by_first_turn(found.turns)
    return DiarizedRecording(
        turns=[found.turns[k] for k in order],
        exclusive=[found.exclusive[k] for k in order],
        embedding=found.centroids[order].astype(np.float32),
        clean_seconds=found.clean_seconds[order],
        channel=np.full(len(order), MIXED),
        narrow_band=observations.narrow_band,
    )


def _clean_seconds(observations: Observations, centroids: np.ndarray) -> np.ndarray:
    """Return the seconds of single-speaker speech behind each centroid, (K,)."""
    clusters = len(centroids)
    if not clusters:
        return np.zeros(0)
    windows, local = observations.windows.reliable, observations.local
    own = (windows.embedding @ centroids.T).argmax(axis=1)
    seconds = np.bincount(own, windows.weight, minlength=clusters)
    assigned = assign_local(local, centroids)
    members = assigned != NO_CLUSTER
    clean = np.bincount(assigned[members], local.clean_seconds[members], minlength=clusters)
    return np.maximum(seconds, clean / local.coverage)
