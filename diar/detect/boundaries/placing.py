"""Boundaries of one sequence: found together, then refined one by one with the chosen method."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from diar.detect.boundaries import cosine
from diar.detect.boundaries.changepoint import find_changepoints
from diar.detect.boundaries.cut import Context, Cut
from diar.detect.boundaries.expected import find_expected
from diar.detect.boundaries.scatter import Noise
from diar.detect.boundaries.settings import BoundarySettings

AUTOMATIC_METHOD = "changepoint"
_REACH = 3  # files by which refining may move a boundary
_ROUNDS = 3

PlaceCut = Callable[[np.ndarray, Context], Cut]


def place_boundaries(
    embeddings: np.ndarray, settings: BoundarySettings, noise: Noise, penalty: float
) -> list[Cut]:
    """Find the boundaries of one sequence, ascending.

    Args:
        embeddings: (n, D) unit vectors of the sequence's usable files.
        settings: segment_size, boundary_window, use_gmm, gmm_components, min_segment.
        noise: of the whole archive.
        penalty: gain that a boundary must bring.
    """
    if settings.segment_size == "auto":
        found = find_changepoints(embeddings, noise, penalty, settings.min_segment)
        cuts = _refine(embeddings, found, _close_context, cosine.place_cut)
        return [replace(cut, method=AUTOMATIC_METHOD) for cut in cuts]
    size = settings.segment_size
    window = settings.usable_window
    found = find_expected(embeddings, size, window, penalty, noise.level(2 * window + 1))

    def close_in_window(start: int, cut: int, end: int) -> Context:
        close, wide = _close_context(start, cut, end), in_window(start, cut, end)
        return replace(close, first=max(close.first, wide.first), last=min(close.last, wide.last))

    def in_window(start: int, cut: int, end: int) -> Context:
        first = min(max(start + 1, start + size - window), cut)
        last = max(min(end - 1, start + size + window), cut)
        return Context(start, first, cut, last, end)

    cuts = _refine(embeddings, found, close_in_window, cosine.place_cut)
    if not settings.use_gmm:
        return cuts
    found = np.array([cut.index for cut in cuts], dtype=np.int64)
    return _refine(embeddings, found, in_window, _gmm_or_cosine(settings.gmm_components))


def _gmm_or_cosine(components: int) -> PlaceCut:
    from diar.detect.boundaries import gmm  # scikit-learn takes a second to import

    def place(embeddings: np.ndarray, context: Context) -> Cut:
        try:
            return gmm.place_cut(embeddings, context, components)
        except gmm.GmmError as error:
            return replace(cosine.place_cut(embeddings, context), fallback=f"cosine instead of gmm: {error}")

    return place


def _close_context(start: int, cut: int, end: int) -> Context:
    first = cut - min(_REACH, (cut - start) // 2)
    last = cut + min(_REACH, (end - cut) // 2)
    return Context(start, first, cut, last, end)


def _refine(
    embeddings: np.ndarray,
    boundaries: np.ndarray,
    context_of: Callable[[int, int, int], Context],
    place_cut: PlaceCut,
) -> list[Cut]:
    """Place every boundary between its neighbours; repeat where a neighbour has moved."""
    edges = [0, *boundaries.tolist(), len(embeddings)]
    cuts: dict[int, Cut] = {}
    todo = list(range(1, len(edges) - 1))
    for _ in range(_ROUNDS):
        moved = []
        for i in todo:
            cuts[i] = place_cut(embeddings, context_of(edges[i - 1], edges[i], edges[i + 1]))
            if cuts[i].index != edges[i]:
                edges[i] = cuts[i].index
                moved.append(i)
        todo = sorted({j for i in moved for j in (i - 1, i, i + 1) if 0 < j < len(edges) - 1})
    return [cuts[i] for i in range(1, len(edges) - 1)]
