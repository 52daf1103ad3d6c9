"""One recording by pyannote.audio's pipeline: VBx on who speaks alone, assignment, frames, turns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from diar.detect.clustering.assignment import NO_CLUSTER
from diar.detect.clustering.similarity import unit_rows
from diar.detect.clustering.speaker_count import SpeakerCount
from diar.detect.community.clustering import Clusters, assign, find_clusters
from diar.detect.community.decisions import Decisions
from diar.detect.community.frames import Timeline, count_active, count_voices, most_active, turns_of
from diar.detect.community.settings import Community
from diar.detect.observations import Observations
from diar.errors import DiarError


@dataclass(frozen=True)
class Found:
    """The speakers of a recording, K of them, also such as have no turns."""

    turns: list[np.ndarray]  # K × (n, 2) seconds
    exclusive: list[np.ndarray]  # the same without overlap
    centroids: np.ndarray  # (K, D) L2-normalised
    clean_seconds: np.ndarray  # (K,) of single-speaker speech


def find_speakers(observations: Observations, settings: Community, count: SpeakerCount) -> Found:
    """Find who speaks when.

    Raises:
        DiarError: stage 1 stored no lengths of embeddings; a PLDA model that does not fit them.
    """
    decisions = Decisions.of(observations)
    raw = raw_embeddings(observations, decisions)
    if not len(raw):
        return Found([], [], np.empty((0, observations.local.embedding.shape[1])), np.zeros(0))
    clusters = _clusters(observations, decisions, raw, settings, count)
    assigned = assign(raw, decisions.seg_window, clusters)
    number, timeline = len(clusters.centroids), Timeline.of(observations, decisions.spoken.shape[1])
    voices = count_voices(decisions, timeline)
    if count.maximum is not None:
        voices = np.minimum(voices, count.maximum)

    activity = count_active(decisions, assigned, number, timeline)

    def turns(most: np.ndarray) -> list[np.ndarray]:
        limits = settings.min_duration_off, settings.min_duration_on
        return [turns_of(own, observations, *limits) for own in most_active(activity, most)]

    members = assigned != NO_CLUSTER
    clean = observations.local.clean_seconds[decisions.row[members]]
    seconds = np.bincount(assigned[members], clean, minlength=number) / observations.local.coverage
    return Found(turns(voices), turns(np.minimum(voices, 1)), unit_rows(clusters.centroids), seconds)


def raw_embeddings(observations: Observations, decisions: Decisions) -> np.ndarray:
    """Return (m, D) float64: embeddings with the length that the encoder gave.

    Raises:
        DiarError: lengths are not stored.
    """
    norm = observations.local.norm[decisions.row]
    if np.isnan(norm).any():
        raise DiarError(
            "stage 1 stored no lengths of embeddings, which this clustering needs; run stage 1 again"
        )
    return np.asarray(observations.local.embedding[decisions.row] * norm[:, None].astype(np.float64))


def _clusters(
    observations: Observations,
    decisions: Decisions,
    raw: np.ndarray,
    settings: Community,
    count: SpeakerCount,
) -> Clusters:
    """Cluster those who speak alone long enough; one speaker, the mean of all, where nobody does."""
    trains = decisions.trains
    if not trains.any():
        return Clusters(raw.mean(axis=0, keepdims=True), distinct=False)
    units = observations.local.embedding[decisions.row[trains]]
    return find_clusters(units, raw[trains], settings, count)
