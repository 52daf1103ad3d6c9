"""What a PLDA model is worth on speakers that it was not trained on, and what its scores mean."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from diar.detect.backend.back_end import BackEnd
from diar.detect.training.plda import train_plda
from diar.detect.training.two_covariance import log_likelihood_ratios
from diar.detect.training.verification import equal_error_rate
from diar.jobs.train.labels import Examples
from diar.jobs.train.trials import FOLDS, Calibrated, Trials, drawn, folds

_PAIRS = 200_000


@dataclass(frozen=True)
class Worth:
    """Equal error rates over pairs of windows, of different recordings where one speaker has several.

    Attributes:
        cosine: of the encoder's own vectors.
        plda: of models that were trained without the speakers of a pair.
        pairs: of one speaker and of two, that were compared.
        calibrated: what the cosine of two recordings' speakers in the models' spaces means; None where too
            few speakers have several recordings.
    """

    cosine: float
    plda: float
    pairs: tuple[int, int]
    calibrated: Calibrated | None


def judge(examples: Examples, dimensions: int | None, seed: int) -> Worth | None:
    """Train without a fifth of the speakers and compare theirs, five times; None with too few speakers."""
    random = np.random.default_rng(seed)
    voices, trials = examples.by_recording(), Trials()
    cosines, ratios, same = [], [], []
    for train, test in folds(examples.speaker, random):
        plda = train_plda(examples.embedding[train], examples.speaker[train], dimensions)
        first, second = _pairs(examples, test, random)
        cosines.append(np.einsum("ij,ij->i", examples.embedding[first], examples.embedding[second]))
        features = {row: number for number, row in enumerate(test.tolist())}
        space = plda.transform(examples.embedding[test])
        left, right = (space[[features[row] for row in rows.tolist()]] for rows in (first, second))
        ratios.append(log_likelihood_ratios(plda.psi, left, right))
        same.append(examples.speaker[first] == examples.speaker[second])
        _compare(voices, np.unique(examples.speaker[test]), BackEnd(plda), trials, random)
    if not same:
        return None
    target = np.concatenate(same)
    rates = [equal_error_rate(np.concatenate(scores), target) for scores in (cosines, ratios)]
    return Worth(rates[0], rates[1], (int(target.sum()), int((~target).sum())), trials.calibrated())


def _compare(
    voices: Examples, speakers: np.ndarray, back_end: BackEnd, trials: Trials, random: np.random.Generator
) -> None:
    rows = voices.chosen(drawn(np.flatnonzero(np.isin(voices.speaker, speakers)), random))
    vectors = back_end.vectors(rows.embedding)
    trials.add(vectors @ vectors.T, rows)


def _pairs(
    examples: Examples, rows: np.ndarray, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return pairs of windows, as many of one speaker as of two."""
    first = random.choice(rows, _PAIRS // FOLDS)
    speaker, recording = examples.speaker, examples.recording
    order = rows[np.argsort(speaker[rows], kind="stable")]
    _, begin, count = np.unique(speaker[order], return_index=True, return_counts=True)
    at = np.searchsorted(np.unique(speaker[order]), speaker[first])
    mate = order[begin[at] + random.integers(0, 2**31, len(first)) % count[at]]
    second = np.where(random.random(len(first)) < 0.5, mate, random.choice(rows, len(first)))
    differs = recording[first] != recording[second]
    same = speaker[first] == speaker[second]
    apart = differs if (differs & same).any() else first != second
    return first[apart], second[apart]
