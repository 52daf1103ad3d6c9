"""What an archive shows of the cosines of different speakers, and of one speaker across recordings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from diar.detect.backend.compared import Compared
from diar.detect.backend.norm import ScoreNorm
from diar.detect.linking.evidence import Evidence

_MOST_ROWS = 2_000  # whose cosines are looked at
_ASSUMED = 30  # weight of the constants, in pairs of the archive
_TAIL_ALLOWANCE = 1.1  # factor on the deviation of the bulk, which then fits one pair in 1000
_LEAST_COSINE = 0.1  # beyond what all have in common; a pair linked below it says nothing about recordings
_SESSION_VARIANCES = (0.02, 1.0)


def adapt_different(
    evidence: Evidence, embedding: np.ndarray, recording: np.ndarray, norm: ScoreNorm | None = None
) -> Evidence:
    """Replace mean and deviation of different speakers by the archive's own, as far as it shows them.

    Speakers of one recording are different. Those of two recordings nearly always are, and their cosines say
    more about linking, but not where one person is in most recordings: the lower of the two medians counts,
    and of its spread the lower half, which no pair of one speaker reaches.

    Args:
        evidence: what is assumed before the archive has shown enough.
        embedding: (n, D) unit vectors.
        recording: (n,) recording of each.
        norm: of cosines.
    """
    within, across = _cosines_within(embedding, recording, norm), _cosines_across(embedding, recording, norm)
    if not len(within) or not len(across):
        return evidence
    different = min((within, across), key=lambda cosines: float(np.median(cosines)))
    low, median = np.quantile(different, [0.1587, 0.5])  # a Gaussian's mean less its deviation, and its mean
    weight = len(within) / (len(within) + _ASSUMED)
    deviation = _TAIL_ALLOWANCE * float(median - low)
    return replace(
        evidence,
        different_mean=weight * float(median) + (1 - weight) * evidence.different_mean,
        different_deviation=weight * deviation + (1 - weight) * evidence.different_deviation,
    )


def adapt_sessions(
    evidence: Evidence,
    embedding: np.ndarray,
    seconds: np.ndarray,
    label: np.ndarray,
    norm: ScoreNorm | None = None,
) -> Evidence:
    """Replace the session variance by that of persons found in a first clustering: the median over pairs.

    Args:
        evidence: what the first clustering went by.
        embedding: (n, D) unit vectors.
        seconds: (n,) of clean speech.
        label: (n,) the person of each.
        norm: of cosines.
    """
    first, second = _neighbours(label)
    if not len(first):
        return evidence
    cosine = Compared.of(embedding[first], norm).pairs(Compared.of(embedding[second], norm))
    common = evidence.different_mean
    beyond = np.maximum((cosine - common) / (1 - common), _LEAST_COSINE)
    one, other = (evidence.content_variance(seconds[rows]) for rows in (first, second))
    # beyond² = 1 / ((1 + session + one) (1 + session + other)), solved for session
    session = (np.sqrt((one - other) ** 2 + 4 / beyond**2) - one - other) / 2 - 1
    found = float(np.clip(np.median(session), *_SESSION_VARIANCES))
    weight = len(first) / (len(first) + _ASSUMED)
    return replace(evidence, session_variance=weight * found + (1 - weight) * evidence.session_variance)


def _cosines_within(embedding: np.ndarray, recording: np.ndarray, norm: ScoreNorm | None) -> np.ndarray:
    first, second = _neighbours(recording)
    chosen = slice(None, None, _step(len(first)))
    one, other = (Compared.of(embedding[rows[chosen]], norm) for rows in (first, second))
    return one.pairs(other)


def _cosines_across(embedding: np.ndarray, recording: np.ndarray, norm: ScoreNorm | None) -> np.ndarray:
    chosen = slice(None, None, _step(len(embedding)))
    voices, of = Compared.of(embedding[chosen], norm), recording[chosen]
    return np.asarray(voices.matrix(voices)[np.triu(of[:, None] != of)])


def _neighbours(label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return pairs of rows with the same label: each row and the next that has it."""
    order = np.argsort(label, kind="stable")
    same = label[order[:-1]] == label[order[1:]]
    return order[:-1][same], order[1:][same]


def _step(size: int) -> int:
    return max(-(-size // _MOST_ROWS), 1)
