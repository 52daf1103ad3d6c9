"""VBx: Bayesian hidden Markov model of a sequence of embeddings, by variational inference.

F. Landini, J. Profant, M. Diez, L. Burget, "Bayesian HMM clustering of x-vector sequences (VBx) in speaker
diarization: theory, implementation and analysis on standard tasks", Computer Speech & Language 71, 2022;
numbers of equations below are theirs.

Each state is a speaker, whose mean in the PLDA space has the prior N(0, diag(psi)); an embedding scatters
around it with covariance I. With `loop_probability` the speaker stays, else the next is drawn from the learnt
priors. Priors of speakers that the data do not need converge to 0: a model that starts with too many speakers
finds their number.

With `loop_probability=0` the order of embeddings means nothing and the model is a Bayesian mixture. That is
right for tracks of a segmentation model: several local speakers of one seg_window talk at once, not one after
the other, and turns are already found (pyannote's community-1 pipeline does so, with fa=0.07 and fb=0.8).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from diar.detect.boundaries.speakers import number_by_appearance
from diar.detect.clustering.similarity import average_linkage, plda_similarities, two_gaussian_threshold

_DIRECT = 4_096  # embeddings that are clustered at once before VBx


@dataclass(frozen=True)
class VbxResult:
    """What is known of n embeddings and K speakers, of which some may have left the model."""

    responsibilities: np.ndarray  # (n, K) probability of each speaker; rows sum to 1
    priors: np.ndarray  # (K,) share of each speaker; sums to 1
    elbo: np.ndarray  # (iterations,) evidence lower bound, scaled by fa and fb; never decreases

    @property
    def speakers(self) -> np.ndarray:
        """(S,) columns of the speakers that are the most probable somewhere; entry s is label s."""
        best = self._best()
        return best[np.sort(np.unique(best, return_index=True)[1])]

    @property
    def labels(self) -> np.ndarray:
        """(n,) most probable speaker of each embedding, numbered from 0 by first appearance."""
        return number_by_appearance(self._best())

    def _best(self) -> np.ndarray:
        if not len(self.responsibilities):
            return np.zeros(0, dtype=np.int64)
        return np.asarray(self.responsibilities.argmax(axis=1))


def cluster_vbx(
    features: np.ndarray,
    psi: np.ndarray,
    initial: np.ndarray | None = None,
    *,
    threshold_offset: float = 0.0,
    fa: float = 0.07,
    fb: float = 0.8,
    loop_probability: float = 0.0,
    max_iterations: int = 40,
    tolerance: float = 1e-6,
    initial_smoothing: float = 7.0,
) -> VbxResult:
    """Run `vbx` from `initial`, or if that is None from `initial_clusters`; n may be 0."""
    if initial is None:
        initial = initial_clusters(features, psi, threshold_offset)
    return vbx(
        features,
        psi,
        initial,
        fa=fa,
        fb=fb,
        loop_probability=loop_probability,
        max_iterations=max_iterations,
        tolerance=tolerance,
        initial_smoothing=initial_smoothing,
    )


def initial_clusters(features: np.ndarray, psi: np.ndarray, threshold_offset: float = 0.0) -> np.ndarray:
    """Average linkage by PLDA log-likelihood ratio, cut at their own threshold plus `threshold_offset`.

    More than 4096 embeddings are clustered in consecutive parts, which bounds memory; VBx merges the clusters
    that are too many.

    Args:
        features: (n, R) of `Plda.transform`.
        psi: (R,) as in `vbx`.
        threshold_offset: less than 0 gives fewer clusters.

    Returns:
        (n,) clusters from 0.
    """
    labels = np.zeros(len(features), dtype=np.int64)
    used = 0
    for part in np.array_split(np.arange(len(features)), max(1, -(-len(features) // _DIRECT))):
        if len(part):
            scores = plda_similarities(features[part], psi)
            labels[part] = used + average_linkage(scores, two_gaussian_threshold(scores) + threshold_offset)
            used = int(labels[part].max()) + 1
    return labels


def vbx(
    features: np.ndarray,
    psi: np.ndarray,
    initial: np.ndarray,
    *,
    fa: float,
    fb: float,
    loop_probability: float,
    max_iterations: int = 40,
    tolerance: float = 1e-6,
    initial_smoothing: float = 7.0,
    prior_floor: float = 0.0,
) -> VbxResult:
    """Infer the speakers of a sequence of embeddings.

    Args:
        features: (n, R) of `Plda.transform`, or its first columns, in order of time.
        psi: (R,) variance of speakers in each dimension, that within a speaker being 1.
        initial: (n,) speakers to start from, integers from 0; VBx finds at most as many.
        fa: weight of the embeddings' likelihood; below 1 because neighbours are not independent.
        fb: weight of the prior of speakers; a larger one leaves fewer speakers.
        loop_probability: that the next embedding is of the same speaker without drawing one; 0 to 1.
        max_iterations: at least 1.
        tolerance: stop as soon as an iteration raises the bound by less.
        initial_smoothing: logit by which an embedding's initial speaker is ahead of the others; inf for hard.
        prior_floor: added to priors before their logarithm, as pyannote.audio does; the bound may then fall.

    Raises:
        ValueError: shapes that do not fit, values out of range.
    """
    _check(features, psi, initial, fa, fb, loop_probability, max_iterations)
    features = np.asarray(features, dtype=np.float64)
    projected = features * np.sqrt(psi)  # (18)
    constant = -0.5 * ((features**2).sum(axis=1, keepdims=True) + features.shape[1] * np.log(2 * np.pi))
    responsibilities = _smoothed(np.asarray(initial), initial_smoothing)
    priors = np.full(responsibilities.shape[1], 1 / max(responsibilities.shape[1], 1))
    elbo: list[float] = []
    while len(elbo) < max_iterations and len(features):
        variance = 1 / (1 + fa / fb * responsibilities.sum(axis=0)[:, None] * psi)  # (17)
        means = fa / fb * variance * (responsibilities.T @ projected)  # (16)
        log_likelihood = fa * (projected @ means.T - 0.5 * ((variance + means**2) @ psi) + constant)  # (23)
        floored = priors + prior_floor
        responsibilities, priors, evidence = infer_states(log_likelihood, floored, loop_probability)
        elbo.append(evidence + 0.5 * fb * float(np.sum(np.log(variance) - variance - means**2 + 1)))  # (25)
        if len(elbo) > 1 and elbo[-1] - elbo[-2] < tolerance:
            break
    return VbxResult(responsibilities, priors, np.array(elbo))


def infer_states(
    log_likelihood: np.ndarray, priors: np.ndarray, loop_probability: float
) -> tuple[np.ndarray, np.ndarray, float]:
    """Forward-backward (19)–(22) of the transitions loop·I + (1 - loop)·priors (1), and new priors (24).

    All ways into a state, save the loop, share one sum over the states before: O(nK), not O(nK²).

    Args:
        log_likelihood: (n, K), n ≥ 1, of each embedding given each speaker.
        priors: (K,) of the first embedding's speaker and of every draw.
        loop_probability: see `vbx`.

    Returns:
        Responsibilities (n, K), updated priors (K,), log-likelihood of the sequence.
    """
    with np.errstate(divide="ignore"):  # a probability of 0 is -inf, and stays it
        log_priors, log_loop, log_draw = np.log(priors), np.log(loop_probability), np.log1p(-loop_probability)
    if loop_probability == 0:
        joint = log_likelihood + log_priors
        totals = logsumexp(joint, axis=1, keepdims=True)
        responsibilities = np.exp(joint - totals)
        return responsibilities, responsibilities.mean(axis=0), float(totals.sum())
    forward = _forward(log_likelihood, log_priors, log_loop, log_draw)
    backward = _backward(log_likelihood, log_priors, log_loop, log_draw)
    evidence = float(np.logaddexp.reduce(forward[-1]))
    responsibilities = np.exp(forward + backward - evidence)
    responsibilities /= responsibilities.sum(axis=1, keepdims=True)
    before = np.logaddexp.reduce(forward[:-1], axis=1)[:, None]
    drawn = np.exp(before + log_draw + log_priors + log_likelihood[1:] + backward[1:] - evidence)
    counts = responsibilities[0] + drawn.sum(axis=0)
    return responsibilities, counts / counts.sum(), evidence


def _forward(
    log_likelihood: np.ndarray, log_priors: np.ndarray, log_loop: float, log_draw: float
) -> np.ndarray:
    """(n, K) log p(embeddings up to here, speaker here)."""
    forward = np.empty_like(log_likelihood)
    forward[0] = log_likelihood[0] + log_priors
    drawn = log_draw + log_priors
    for step in range(1, len(forward)):
        total = np.logaddexp.reduce(forward[step - 1])
        np.logaddexp(log_loop + forward[step - 1], drawn + total, out=forward[step])
        forward[step] += log_likelihood[step]
    return forward


def _backward(
    log_likelihood: np.ndarray, log_priors: np.ndarray, log_loop: float, log_draw: float
) -> np.ndarray:
    """(n, K) log p(embeddings after here | speaker here)."""
    backward = np.empty_like(log_likelihood)
    backward[-1] = 0.0
    for step in range(len(backward) - 2, -1, -1):
        after = log_likelihood[step + 1] + backward[step + 1]
        total = np.logaddexp.reduce(after + log_priors)
        np.logaddexp(log_loop + after, log_draw + total, out=backward[step])
    return backward


def _smoothed(initial: np.ndarray, smoothing: float) -> np.ndarray:
    """(n,) labels → (n, K) softmax of `smoothing` at the label and 0 elsewhere."""
    speakers = int(initial.max()) + 1 if len(initial) else 0
    others = np.exp(-smoothing)
    responsibilities = np.full((len(initial), speakers), others)
    responsibilities[np.arange(len(initial)), initial] = 1.0
    return responsibilities / (1.0 + (speakers - 1) * others)


def _check(
    features: np.ndarray,
    psi: np.ndarray,
    initial: np.ndarray,
    fa: float,
    fb: float,
    loop_probability: float,
    max_iterations: int,
) -> None:
    if features.ndim != 2 or psi.shape != features.shape[1:] or np.shape(initial) != features.shape[:1]:
        shapes = f"features {features.shape}, psi {psi.shape}, initial {np.shape(initial)}"
        raise ValueError(f"{shapes} do not fit, (n, R), (R,), (n,) are needed")
    if len(initial) and not (np.issubdtype(np.asarray(initial).dtype, np.integer) and np.min(initial) >= 0):
        raise ValueError("initial speakers must be integers from 0")
    if not (np.isfinite(features).all() and (psi >= 0).all()):
        raise ValueError("features must be finite, psi must not be negative")
    if not (fa > 0 and fb > 0 and 0 <= loop_probability <= 1 and max_iterations >= 1):
        found = (
            f"fa={fa:g}, fb={fb:g}, loop_probability={loop_probability:g}, max_iterations={max_iterations}"
        )
        raise ValueError(f"{found}: fa and fb above 0, a probability, and at least 1 iteration are needed")
