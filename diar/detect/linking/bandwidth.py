"""Linking where some recordings come over a telephone: the mean of each channel is subtracted.

All vectors of telephone recordings have a component in common, so two callers are as alike as one person in
two rooms. The component is the centre of the channel's vectors. Without it, cosines mean the same within
both channels and across them (mean normalisation by domain, as in the NIST evaluations). Where all recordings
are of one channel nothing is subtracted: `adapt_different` learns what cosines mean there.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from diar.detect.backend.back_end import BackEnd
from diar.detect.clustering.similarity import unit_rows
from diar.detect.linking.evidence import calibrated_evidence
from diar.detect.linking.groups import summed, vector_weights
from diar.detect.linking.known import KnownSpeakers
from diar.detect.linking.link import LinkedSpeakers, link_speakers

_LEAST_ROWS = 20  # of each channel; the centre of fewer would be that of a few persons
_ITERATIONS = 20
_LEAST_DISTANCE = 1e-3


def link_over_channels(
    embedding: np.ndarray,
    seconds: np.ndarray,
    recording: np.ndarray,
    narrow_band: np.ndarray,
    known: KnownSpeakers | None,
    probability: float,
    threshold: float | None,
    back_end: BackEnd | None = None,
) -> LinkedSpeakers:
    """Link as `link_speakers` does; the rows in `narrow_band` (n,) bool come over a telephone.

    Centroids are of the vectors as they are given, also where `back_end` compares others in their place. With
    its score normalisation both channels are moved to where the cohort is, instead of to 0. Errors as in
    `link_speakers`; PldaError where the back end does not fit.
    """
    vectors, evidence, norm = embedding, None, None
    if back_end is not None:
        vectors, evidence = back_end.vectors(embedding), calibrated_evidence(back_end.calibration)
        known = None if known is None else replace(known, embedding=back_end.vectors(known.embedding))
        norm = back_end.norm
    if min(narrow_band.sum(), (~narrow_band).sum()) >= _LEAST_ROWS:
        centres = np.stack([centre(vectors[~narrow_band]), centre(vectors[narrow_band])])
        centres -= 0 if norm is None else centre(norm.cohort)
        vectors = _without(vectors, centres[narrow_band.astype(int)])
        known = None if known is None else _known_without(known, centres)
    linked = link_speakers(vectors, seconds, recording, known, probability, threshold, evidence, norm=norm)
    if vectors is embedding:
        return linked
    total = summed(embedding, vector_weights(seconds, linked.evidence), linked.label)
    return replace(linked, centroid=unit_rows(total).astype(np.float32))


def _known_without(known: KnownSpeakers, centres: np.ndarray) -> KnownSpeakers:
    channel = np.zeros(len(known.name), int) if known.narrow_band is None else known.narrow_band.astype(int)
    return replace(known, embedding=_without(known.embedding, centres[channel]))


def centre(vectors: np.ndarray) -> np.ndarray:
    """Return the geometric median (D,) of (n, D); one person in nearly half of all rows moves it little.

    E. Weiszfeld, "Sur le point pour lequel la somme des distances de n points donnés est minimum", 1937.
    """
    found = vectors.mean(axis=0, dtype=np.float64)
    for _ in range(_ITERATIONS):
        weight = 1 / np.maximum(np.linalg.norm(vectors - found, axis=1), _LEAST_DISTANCE)
        found = weight @ vectors / weight.sum()
    return np.asarray(found)


def _without(vectors: np.ndarray, centres: np.ndarray) -> np.ndarray:
    return unit_rows(vectors - centres).astype(np.float32)
