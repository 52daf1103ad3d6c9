"""One boundary: which files of its window belong to the left side, which to the right.

Every method gives each file the log-likelihood ratio of the left side to the right. The best cut maximises
the sum of the left files' ratios minus that of the right ones. A file may also be a misfit of its side, which
has a much wider distribution: that bounds the effect of a single misfit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_MISFITS = 0.02  # share of files that fit their side badly


@dataclass(frozen=True)
class Context:
    """Files around a boundary: positions `start` ≤ `first` ≤ cut ≤ `last` ≤ `end` of one sequence.

    `start` and `end` are the neighbouring boundaries, `first` to `last` the allowed cuts, `cut` the present
    one.
    """

    start: int
    first: int
    cut: int
    last: int
    end: int

    def sides(self, margin: int, most: int) -> tuple[slice, slice]:
        """Files that surely belong to each side: `margin` away from the cut, at most `most` of them.

        Short sides keep at least half of their files.
        """
        left_margin = min(margin, (self.cut - self.start) // 2)
        right_margin = min(margin, (self.end - self.cut) // 2)
        left_end, right_start = self.cut - left_margin, self.cut + right_margin
        return (
            slice(max(self.start, left_end - most), left_end),
            slice(right_start, min(self.end, right_start + most)),
        )


@dataclass(frozen=True)
class Cut:
    """A placed boundary; `scores[k]` is the log-likelihood of cutting before file `first + k`."""

    index: int
    first: int
    scores: np.ndarray
    method: str
    fallback: str | None = None

    @property
    def certainty(self) -> float:
        """Probability of `index` among all cuts of the window, if there is a boundary in it."""
        place = self.index - self.first
        if not 0 <= place < len(self.scores):
            return 0.0  # moved out of the window, which has no score for it
        weights = np.exp(self.scores - self.scores.max())
        return float(weights[place] / weights.sum())


def log_ratio(
    left: np.ndarray, right: np.ndarray, wide_left: np.ndarray, wide_right: np.ndarray
) -> np.ndarray:
    """Return the log ratio left : right of each file, by its log densities as a good file and as a misfit."""
    share = np.log(_MISFITS)
    return np.logaddexp(left, share + wide_left) - np.logaddexp(right, share + wide_right)


def best_cut(context: Context, ratios: np.ndarray, method: str, head_start: float = 1e-6) -> Cut:
    """Return the best cut between `context.first` and `context.last` by the `ratios` of the files between.

    `head_start` is the log-odds by which another cut must beat the present one: a tie keeps it.
    """
    scores = np.concatenate([[0.0], np.cumsum(ratios)])
    preferred = scores.copy()
    preferred[context.cut - context.first] += head_start
    return Cut(context.first + int(preferred.argmax()), context.first, scores, method)
