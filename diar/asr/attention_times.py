"""Times of tokens from where a network looks while it writes them (dynamic time warping).

The method of openai/whisper, timing.py: attention of the heads that follow the audio, normalised over tokens,
smoothed over time; the monotonic path through it tells when each token begins.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import median_filter

_SMOOTHED = 7  # frames


def token_starts(attention: np.ndarray, skipped: int) -> np.ndarray:
    """Return (tokens - skipped,) frame where each token begins, ascending.

    Args:
        attention: (heads, tokens, frames) shares of the attention.
        skipped: tokens at the start that say nothing: the prompt.
    """
    spread = attention.std(axis=1, keepdims=True)
    normal = (attention - attention.mean(axis=1, keepdims=True)) / np.maximum(spread, 1e-9)
    smooth = median_filter(normal, size=(1, 1, _SMOOTHED), mode="mirror").mean(axis=0)
    return monotonic_path(-smooth[skipped:])


def monotonic_path(costs: np.ndarray) -> np.ndarray:
    """Return (n,) first column of each row on the cheapest way from the first to the last cell.

    A step goes one column, one row or both ahead.

    Args:
        costs: (n, m) of each cell.
    """
    rows, columns = costs.shape
    total = np.empty((rows, columns))
    total[0] = np.cumsum(costs[0])
    for row in range(1, rows):
        above = total[row - 1]
        entered = np.minimum(above, np.concatenate([[np.inf], above[:-1]]))  # from above, or diagonally
        run = np.cumsum(costs[row])
        total[row] = run + np.minimum.accumulate(entered - (run - costs[row]))
    first = np.zeros(rows, int)
    row, column = rows - 1, columns - 1
    while row > 0:
        above, left = total[row - 1, column], total[row, column - 1] if column else np.inf
        corner = total[row - 1, column - 1] if column else np.inf
        if left < min(above, corner):
            column -= 1
            continue
        first[row] = column
        row, column = row - 1, column - (corner <= above)
    return first
