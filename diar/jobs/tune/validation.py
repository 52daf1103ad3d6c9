"""What a choice among trials is worth on recordings that it was not made on.

Trials are chosen on some recordings and scored on others (k-fold cross-validation). The gain against the
defaults is the same recordings' difference; its interval is by bootstrap over recordings (M. Bisani and
H. Ney, "Bootstrap estimates for confidence intervals in ASR performance evaluation", ICASSP 2004). Among
trials that are as good as the best within one standard error, the one that gives the fewest options is chosen
(L. Breiman et al., "Classification and Regression Trees", 1984).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from diar.jobs.sweep.space import Trial
from diar.score.amounts import Amounts

_RESAMPLES = 4_000
_ENOUGH_RECORDINGS, _ENOUGH_HOURS = 10, 0.5  # of reference speech
Metric = Literal["der", "jer"]


@dataclass(frozen=True)
class Learned:
    """What was chosen, and what it is worth.

    Attributes:
        trial: chosen on all recordings.
        default: metric of the defaults, a share.
        on_itself: metric of `trial` on the recordings that it was chosen on.
        held_out: metric where each fold is scored by what the others choose.
        gain: `default` − `held_out` …
        interval: … and where it lies with the confidence that was asked for.
        agreement: of each option that varies, the share of folds that choose the value of `trial`.
        recordings: with reference speech.
        hours: of reference speech.
    """

    trial: Trial
    default: float
    on_itself: float
    held_out: float
    gain: float
    interval: tuple[float, float]
    agreement: dict[str, float]
    recordings: int
    hours: float

    @property
    def shown(self) -> bool:
        """Whether the whole interval says that it is better than the defaults."""
        return self.interval[0] > 0

    @property
    def too_little(self) -> bool:
        """Whether there is less to learn from than a choice needs."""
        return self.recordings < _ENOUGH_RECORDINGS or self.hours < _ENOUGH_HOURS


def learn(
    amounts: Mapping[str, Mapping[str, Amounts]],
    trials: Sequence[Trial],
    *,
    metric: Metric = "der",
    folds: int = 10,
    confidence: float = 0.95,
    seed: int = 0,
) -> Learned:
    """Choose a trial and say what it is worth.

    Args:
        amounts: by recording, and by key of the trial; each recording has all trials.
        trials: the first of them gives no option.
        metric: what is to be low.
        folds: into which recordings are divided; at most as many as there are.
        confidence: of the interval.
        seed: of the folds and of the bootstrap.

    Raises:
        ValueError: fewer than two recordings with reference speech.
    """
    errors, weights = _table(amounts, trials, metric)
    count = len(weights)
    if count < 2:
        raise ValueError("a choice needs two recordings with reference speech at least")
    random = np.random.default_rng(seed)
    everyone = np.arange(count)
    chosen = _choose(errors, weights, everyone, trials)
    fold = random.permutation(count) % min(folds, count)
    picks = [_choose(errors, weights, everyone[fold != number], trials) for number in range(fold.max() + 1)]
    held_out = errors[everyone, np.array(picks)[fold]]
    gains = errors[:, 0] - held_out
    rows = random.integers(0, count, (_RESAMPLES, count))
    resampled = gains[rows].sum(axis=1) / weights[rows].sum(axis=1)
    low, high = np.quantile(resampled, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Learned(
        trial=trials[chosen],
        default=float(errors[:, 0].sum() / weights.sum()),
        on_itself=float(errors[:, chosen].sum() / weights.sum()),
        held_out=float(held_out.sum() / weights.sum()),
        gain=float(gains.sum() / weights.sum()),
        interval=(float(low), float(high)),
        agreement=_agreement(trials[chosen], [trials[pick] for pick in picks], trials),
        recordings=count,
        hours=sum(next(iter(own.values())).speech for own in amounts.values()) / 3600,
    )


def _table(
    amounts: Mapping[str, Mapping[str, Amounts]], trials: Sequence[Trial], metric: Metric
) -> tuple[np.ndarray, np.ndarray]:
    """Return errors (recordings, trials) and what they are divided by, (recordings,)."""
    errors, weights = [], []
    for name in sorted(amounts):
        own = [amounts[name][trial.key] for trial in trials]
        if metric == "jer":
            error, weight = [one.jaccard_error for one in own], float(own[0].jaccard_speakers)
        else:
            error, weight = [one.errors for one in own], own[0].speech
        if weight > 0:
            errors.append(error)
            weights.append(weight)
    return np.array(errors, np.float64).reshape(len(weights), len(trials)), np.array(weights, np.float64)


def _choose(errors: np.ndarray, weights: np.ndarray, rows: np.ndarray, trials: Sequence[Trial]) -> int:
    """Return the trial with the fewest options of those within a standard error of the best of `rows`."""
    own, total = errors[rows], float(weights[rows].sum())
    rates = own.sum(axis=0) / total
    best = int(rates.argmin())
    behind = own - own[:, [best]]  # the same recordings, so what is hard for all trials does not count
    spread = behind.std(axis=0, ddof=1) if len(rows) > 1 else np.zeros(len(trials))
    error = np.sqrt(len(rows)) * spread / total
    near = np.flatnonzero(rates - rates[best] <= error + 1e-12).tolist()
    return int(min(near, key=lambda trial: (len(trials[trial].given), rates[trial], trial)))


def _agreement(chosen: Trial, picks: Sequence[Trial], trials: Sequence[Trial]) -> dict[str, float]:
    options = sorted({name for trial in trials for name in trial.given})
    found: dict[str, float] = {}
    for option in options:
        values: Counter[Any] = Counter(pick.given.get(option) for pick in picks)
        found[option] = values[chosen.given.get(option)] / len(picks)
    return found
