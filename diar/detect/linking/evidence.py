"""How much a cosine says about two vectors being of one speaker, given the seconds of speech in each.

A vector is what all have in common + speaker + recording + content. With unit variance between speakers,
`session_variance` between recordings of one, and `speech_variance` / seconds for what is said, vectors of one
speaker in two recordings have on average the cosine

    expected = common + (1 - common) sqrt(share(a) share(b)),  common = `different_mean`,
    share = 1 / (1 + session_variance / recordings + speech_variance / seconds)

That is the two-covariance model with spherical covariances (Brümmer & de Villiers, "The speaker partitioning
problem", Odyssey 2010) as length-normalised vectors show it. The constants are those of
docs/decisions/032-linking-recordings.md, for campplus-zh-en.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from diar.detect.backend.calibration import Calibration

_LEAST_SECONDS = 0.05  # less says nothing, and must not divide by zero
_MOST_RECORDINGS = 5  # of one person that are taken for independent
_HALVINGS = 40  # of an interval of 2: to 1e-12


@dataclass(frozen=True)
class Evidence:
    """The distribution of cosines between different speakers, and between vectors of one speaker."""

    different_mean: float = 0.10
    different_deviation: float = 0.118
    different_tail: float = 3.0  # deviations from which on the density falls exponentially: look-alikes exist
    same_deviation: float = 0.133  # times what vectors do not have in common
    session_variance: float = 0.4
    speech_variance: float = 0.9  # times seconds

    def share(self, seconds: np.ndarray, recordings: np.ndarray) -> np.ndarray:
        """Return the speaker's share of a vector's variance.

        Args:
            seconds: of clean speech that the vector is the mean of.
            recordings: that it comes from; more than five count as five, because they are not independent.
        """
        sessions = self.session_variance / np.minimum(recordings, _MOST_RECORDINGS)
        return np.asarray(1 / (1 + sessions + self.content_variance(seconds)))

    def content_variance(self, seconds: np.ndarray) -> np.ndarray:
        """Return the variance that the spoken content adds to a vector."""
        return np.asarray(self.speech_variance / np.maximum(seconds, _LEAST_SECONDS))

    def log_ratio(self, cosine: np.ndarray, share: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Return ln p(cosine | one speaker) / p(cosine | two speakers), given both shares.

        It never falls as the cosine rises: a cosine above what is expected of one speaker costs nothing, and
        one below the mean of different speakers is no sign of one.
        """
        room = 1 - self.different_mean
        expected = self.different_mean + room * np.sqrt(share * other)
        missing = np.maximum(expected - cosine, 0) / (room * self.same_deviation)
        return self._surprise(cosine) - missing**2 / 2

    def least_cosine(self, log_ratio: float) -> float:
        """Return the cosine below which no pair reaches `log_ratio` > 0, however little speech it has."""
        return float(self.different_mean + self.different_deviation * self._deviations(log_ratio))

    def ratio_at(self, cosine: float, seconds: float = np.inf, other: float = np.inf) -> float:
        """Return the log ratio of two vectors of one recording each, with so many seconds of speech."""
        shares = (self.share(np.array(duration), np.array(1)) for duration in (seconds, other))
        return float(self.log_ratio(np.array(cosine), *shares))

    def cosine_at(self, log_ratio: float, seconds: float = np.inf, other: float = np.inf) -> float:
        """Return the cosine with this log ratio, the inverse of `ratio_at`; 1 if none has it."""
        below, above = -1.0, 1.0
        for _ in range(_HALVINGS):  # SciPy's root finders take 0.1 s to import
            middle = (below + above) / 2
            if self.ratio_at(middle, seconds, other) < log_ratio:
                below = middle
            else:
                above = middle
        return above

    def _surprise(self, cosine: np.ndarray) -> np.ndarray:
        """Return ln p(mean) / p(cosine) of different speakers (Huber's density)."""
        deviations = np.maximum((cosine - self.different_mean) / self.different_deviation, 0)
        bulk = np.minimum(deviations, self.different_tail)
        return np.asarray(bulk**2 / 2 + self.different_tail * (deviations - bulk))

    def _deviations(self, surprise: float) -> float:
        knee = self.different_tail**2 / 2
        if surprise <= knee:
            return float(np.sqrt(2 * max(surprise, 0.0)))
        return self.different_tail + (surprise - knee) / self.different_tail


CAMPPLUS = Evidence()


@dataclass(frozen=True, kw_only=True)
class CalibratedEvidence(Evidence):
    """What a back end learned that its scores mean, whatever the seconds behind both vectors."""

    calibration: Calibration

    def log_ratio(self, cosine: np.ndarray, share: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Return ln p(score | one speaker) / p(score | two speakers); the shares do not count."""
        return np.asarray(self.calibration.slope * cosine + self.calibration.offset)

    def least_cosine(self, log_ratio: float) -> float:
        """Return the score with this log ratio."""
        return self.calibration.score_at(log_ratio)

    def cosine_at(self, log_ratio: float, seconds: float = np.inf, other: float = np.inf) -> float:
        """Return the score with this log ratio, which may be above 1."""
        return self.calibration.score_at(log_ratio)


def calibrated_evidence(calibration: Calibration | None) -> Evidence | None:
    """Return the evidence of a back end; None without calibration: then the archive tells what they mean."""
    return None if calibration is None else CalibratedEvidence(calibration=calibration)
