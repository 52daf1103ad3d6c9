"""Automatic boundaries: penalised kernel change-point detection without an expected size.

Exact minimum of Σ cost(segment) + penalty · segments (PELT; Killick, Fearnhead & Eckley 2012) with the linear
kernel on unit vectors (kernel change-point detection; Arlot, Celisse & Harchaoui 2019). In long sequences the
candidates are the peaks of a moving-sum statistic at several scales (multiscale MOSUM; Cho & Kirch 2022), so
time is nearly linear and memory bounded. Measured in docs/decisions/010-automatic-boundaries.md.
"""

from __future__ import annotations

import numpy as np

from diar.detect.boundaries.scatter import Noise, speaker_distance

_EXACT = 2_000  # files up to which every place is a candidate
_SCALES = (4, 8, 16, 32, 64, 128, 256)
_BLOCK = 8_192


def find_changepoints(embeddings: np.ndarray, noise: Noise, penalty: float, min_segment: int) -> np.ndarray:
    """Return the positions where a new segment starts, ascending, without 0.

    Args:
        embeddings: (n, D) unit vectors in archive order.
        noise: of the whole archive.
        penalty: gain that a boundary must bring (`default_penalty`).
        min_segment: fewest files of a segment.
    """
    if len(embeddings) < 2 * min_segment:
        return np.zeros(0, dtype=np.int64)
    places = candidate_places(embeddings, noise)
    return places[_pelt(_sums_before(embeddings, places), places, penalty, min_segment)]


def default_penalty(embeddings: np.ndarray, noise: Noise, min_segment: int) -> float:
    """Return the geometric mean of what noise can gain and what the shortest real segment gains.

    Never below what noise reaches, which in bad audio is more than short segments gain.

    Args:
        embeddings: (n, D) unit vectors of the whole archive, n >= 2.
        noise: `estimate_noise` of them.
        min_segment: fewest files of a segment.
    """
    by_chance = noise.level(len(embeddings))
    shortest = min_segment * speaker_distance(embeddings, noise)
    return max(float(np.sqrt(by_chance * shortest)), 1.2 * by_chance)


def candidate_places(embeddings: np.ndarray, noise: Noise) -> np.ndarray:
    """Return where a boundary may be: anywhere in a short sequence, else at peaks of a moving sum.

    At scale h, the gain of cutting the 2h files around a place is compared with what noise gives there; local
    maxima above it and their neighbours are kept. Always holds 0 and n.
    """
    count = len(embeddings)
    if count <= _EXACT:
        return np.arange(count + 1)
    chosen = np.zeros(count + 1, dtype=bool)
    chosen[[0, count]] = True
    margin = 2 * _SCALES[-1]
    for start in range(0, count, _BLOCK):
        first, last = max(0, start - margin), min(count, start + _BLOCK + margin)
        peaks = first + _peaks(embeddings[first:last], noise.mean + 2 * noise.deviation)
        chosen[peaks[(peaks >= start) & (peaks <= start + _BLOCK)]] = True
    near = np.flatnonzero(chosen)
    for step in (-1, 1):
        chosen[np.clip(near + step, 0, count)] = True
    return np.flatnonzero(chosen)


def _peaks(embeddings: np.ndarray, threshold: float) -> np.ndarray:
    """Return the local maxima of the moving-sum gain at every scale, within one block of files."""
    sums = np.vstack([np.zeros(embeddings.shape[1]), np.cumsum(embeddings, axis=0, dtype=np.float64)])
    found = []
    for scale in _SCALES:
        if len(embeddings) < 2 * scale:
            break
        difference = sums[2 * scale :] - 2 * sums[scale:-scale] + sums[: -2 * scale]
        gains = np.einsum("nd,nd->n", difference, difference) / (2 * scale)
        reach = max(1, scale // 4)
        padded = np.pad(gains, reach, constant_values=-np.inf)
        highest = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1).max(axis=1)
        found.append(scale + np.flatnonzero((gains >= highest) & (gains > threshold)))
    return np.unique(np.concatenate(found)) if found else np.zeros(0, dtype=np.int64)


def _sums_before(embeddings: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Sum of all files before each place, (places, D)."""
    sums = np.zeros((len(places), embeddings.shape[1]))
    before = np.zeros(embeddings.shape[1])
    for first in range(0, len(embeddings), _BLOCK):
        running = before + np.cumsum(embeddings[first : first + _BLOCK], axis=0, dtype=np.float64)
        begin, end = np.searchsorted(places, [first, first + len(running)], side="right")
        sums[begin:end] = running[places[begin:end] - first - 1]
        before = running[-1]
    return sums


def _pelt(sums: np.ndarray, places: np.ndarray, penalty: float, min_segment: int) -> np.ndarray:
    """Indices into `places` of the best boundaries.

    `best[j]` is minus the cost of the best segmentation before place j, up to the constant Σ‖x‖².
    """
    best = np.full(len(places), -np.inf)
    best[0] = 0.0
    previous = np.zeros(len(places), dtype=np.int64)
    # a start that can never win again goes once a later start, far enough away, has overtaken it
    starts = np.zeros(1, dtype=np.int64)
    overtaken = np.full(len(places), np.iinfo(np.int64).max)
    for end in range(1, len(places)):
        lengths = places[end] - places[starts]
        between = sums[end] - sums[starts]
        explained = np.einsum("kd,kd->k", between, between) / lengths
        values = np.where(lengths >= min_segment, best[starts] + explained, -np.inf)
        winner = int(values.argmax())
        best[end] = values[winner] - penalty
        previous[end] = starts[winner]
        behind = (values <= best[end]) & np.isfinite(values)
        overtaken[starts[behind]] = np.minimum(overtaken[starts[behind]], places[end] + min_segment)
        starts = np.append(starts[overtaken[starts] > places[end]], end)
    boundaries = []
    at = int(previous[-1])
    while at > 0:
        boundaries.append(at)
        at = int(previous[at])
    return np.array(boundaries[::-1], dtype=np.int64)
