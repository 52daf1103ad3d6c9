"""The same person under the same id in all recordings (docs/decisions/032-linking-recordings.md).

Agglomerative clustering: each speaker of a recording starts as a group, and in every round groups that are
each other's best partner merge, as long as that is likely enough. Speakers of one recording stay apart. Up to
20 000 groups are compared all with all, more within cells; so 10⁶ take minutes, and memory is not quadratic.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from diar.detect.backend.norm import ScoreNorm
from diar.detect.boundaries.speakers import number_by_appearance
from diar.detect.clustering.similarity import unit_rows
from diar.detect.linking.adaptation import adapt_different, adapt_sessions
from diar.detect.linking.evidence import CAMPPLUS, Evidence
from diar.detect.linking.groups import Groups, summed, vector_weights
from diar.detect.linking.known import PERSON_NAME, KnownSpeakers, LinkingError, match_known
from diar.detect.linking.merging import merge_partners
from diar.detect.linking.partners import EXACT, Partners, find_partners

_MOST_SAMPLED = 20_000  # rows of which the session variance is learned
_BLOCK = 65_536
_LENGTH_TOLERANCE = 1e-2
# From the model's log odds of a row to those observed: its cosine says half as much as it seems to. Of 1794
# voices in simulated conversations, told 0.62, 0.82, 0.94, 0.98, 0.99, 69, 79, 94, 99, 100 % were right
_TRUST, _BIAS = 0.5, -0.2


@dataclass(frozen=True)
class LinkedSpeakers:
    """Who each of n recording-level speakers is: one of s persons, in the order of their first row."""

    label: np.ndarray  # (n,) int64, index of the person
    speaker_id: list[str]  # (s,) person_0001, …; speaker_0001, … where nothing was linked
    name: list[str]  # (s,) a known person's, else the id
    known: np.ndarray  # (s,) bool
    centroid: np.ndarray  # (s, D) float32, L2-normalised
    similarity: np.ndarray  # (n,) float32, cosine to the person's other rows; NaN without any
    probability: np.ndarray  # (n,) float32, that the row is of the same person as those; NaN without any
    threshold: float  # cosine between vectors of unlimited speech above which two were one person, at the end
    evidence: Evidence  # as used, after adapting


def link_speakers(
    embedding: np.ndarray,
    seconds: np.ndarray,
    recording: np.ndarray,
    known: KnownSpeakers | None = None,
    probability: float = 0.5,
    threshold: float | None = None,
    evidence: Evidence | None = None,
    exact: int = EXACT,
    norm: ScoreNorm | None = None,
) -> LinkedSpeakers:
    """Give recording-level speakers archive-wide ids.

    Args:
        embedding: (n, D) float32 unit vectors, each the mean over the clean speech of one speaker of one
            recording.
        seconds: (n,) of that clean speech.
        recording: (n,) int, the recording; speakers of one recording are never the same person.
        known: people to be named where they are found.
        probability: from which two groups are one person. Its prior odds are one to the number of persons in
            the archive.
        threshold: a cosine between vectors of unlimited speech, instead of `probability`.
        evidence: what cosines say; default: the constants for campplus-zh-en, adapted to the archive.
        exact: up to so many groups are compared all with all.
        norm: of all cosines.

    Raises:
        LinkingError: arrays that do not fit each other, vectors that are not of unit length, a threshold at
            which two speakers are likelier than one.
    """
    _check(embedding, seconds, recording, known)
    evidence, persons = _learned(embedding, seconds, recording, evidence, probability, exact, norm)
    fixed = None if threshold is None else _fixed_ratio(threshold, evidence)

    def least_ratio(groups: int) -> float:
        return fixed if fixed is not None else _likely_ratio(min(groups, persons), probability)

    groups, label = _cluster(embedding, seconds, recording, evidence, least_ratio, exact, norm)
    ratio = least_ratio(len(groups))
    names: dict[int, str] = {}
    if known is not None and len(known.name) and len(groups):
        names = match_known(groups, known, evidence, ratio)
    return _result(embedding, seconds, label, names, evidence, ratio, norm)


def _learned(
    embedding: np.ndarray,
    seconds: np.ndarray,
    recording: np.ndarray,
    given: Evidence | None,
    probability: float,
    exact: int,
    norm: ScoreNorm | None,
) -> tuple[Evidence, int]:
    """Learn the evidence and the number of persons by a first clustering of the archive or a sample of it."""
    sample = slice(None, None, max(-(-len(embedding) // _MOST_SAMPLED), 1))
    vectors, speech, of = embedding[sample], seconds[sample], recording[sample]
    evidence = adapt_different(CAMPPLUS, embedding, recording, norm) if given is None else given
    ratio = functools.partial(_likely_ratio, probability=probability)
    _, label = _cluster(vectors, speech, of, evidence, ratio, exact, norm)
    rows = np.bincount(label) if len(label) else np.zeros(0, np.int64)
    persons = len(rows) if len(label) == len(embedding) else num_persons(rows, len(embedding))
    learned = adapt_sessions(evidence, vectors, speech, label, norm) if given is None else given
    return learned, persons


def num_persons(rows: np.ndarray, most: int) -> int:
    """Estimate how many persons an archive has, of which a sample has `rows` (persons,) of each.

    Chao's estimate by the persons seen once and twice ("Nonparametric estimation of the number of classes in
    a population", Scandinavian Journal of Statistics, 1984), corrected for small numbers; at most `most`.
    """
    once, twice = float((rows == 1).sum()), float((rows == 2).sum())
    return int(min(len(rows) + once * (once - 1) / (2 * (twice + 1)), most))


def _cluster(
    embedding: np.ndarray,
    seconds: np.ndarray,
    recording: np.ndarray,
    evidence: Evidence,
    least_ratio: Callable[[int], float],
    exact: int,
    norm: ScoreNorm | None,
) -> tuple[Groups, np.ndarray]:
    """Return groups, and the group (n,) of each row; `least_ratio` of the number of groups decides merges."""
    groups = Groups.single(embedding, seconds, recording, evidence, norm)
    label, active = np.arange(len(groups)), np.ones(len(groups), bool)
    while True:
        least = least_ratio(len(groups))
        partners = find_partners(groups, evidence, least, exact, active)
        if (partners.index >= 0).any():
            groups, renamed = merge_partners(groups, partners, evidence, least)
            label, active = renamed[label], _changing(partners, renamed)
        elif active.all():
            return groups, label
        else:
            active[:] = True  # a last round for all: the required ratio falls with the number of groups


def _changing(partners: Partners, renamed: np.ndarray) -> np.ndarray:
    """Return (g,) bool: groups that had a partner, merged or not; the others have none among the rest."""
    active = np.zeros(int(renamed.max()) + 1, bool)
    active[renamed[partners.index >= 0]] = True
    return active


def _likely_ratio(persons: int, probability: float) -> float:
    """Return the log ratio at which two groups are one person with `probability`; prior odds 1 : persons."""
    return max(float(np.log(max(persons, 1)) + logit(probability)), 0.0)


def _result(
    embedding: np.ndarray,
    seconds: np.ndarray,
    label: np.ndarray,
    names: dict[int, str],
    evidence: Evidence,
    ratio: float,
    norm: ScoreNorm | None,
) -> LinkedSpeakers:
    first: dict[str, int] = {}  # groups with one name are one person
    renamed = np.arange(int(label.max(initial=-1)) + 1)
    for group, name in names.items():
        renamed[group] = first.setdefault(name, group)
    person = number_by_appearance(renamed[label])
    of_group = np.zeros(len(renamed), np.int64)
    of_group[renamed[label]] = person
    name_of = {int(of_group[group]): name for name, group in first.items()}
    total = summed(embedding, vector_weights(seconds, evidence), person)
    count = len(total)
    ids = [PERSON_NAME.format(i + 1) for i in range(count)]
    similarity, others = _fit(embedding, seconds, person, total, evidence, norm)
    return LinkedSpeakers(
        label=person,
        speaker_id=ids,
        name=[name_of.get(i, ids[i]) for i in range(count)],
        known=np.array([i in name_of for i in range(count)], bool),
        centroid=total / np.linalg.norm(total, axis=1, keepdims=True),
        similarity=similarity,
        probability=expit(_TRUST * (others - np.log(max(count, 1))) + _BIAS).astype(np.float32),
        threshold=evidence.cosine_at(ratio),
        evidence=evidence,
    )


def _fit(
    embedding: np.ndarray,
    seconds: np.ndarray,
    person: np.ndarray,
    total: np.ndarray,
    evidence: Evidence,
    norm: ScoreNorm | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return each row's cosine (n,) and log ratio (n,) to its person's other rows; NaN without any."""
    weights = vector_weights(seconds, evidence).astype(np.float32)
    rows = np.bincount(person, minlength=len(total))
    speech = np.bincount(person, seconds, minlength=len(total))
    similarity, ratio = (np.full(len(person), np.nan, np.float32) for _ in range(2))
    for start in range(0, len(person), _BLOCK):
        part = slice(start, start + _BLOCK)
        vectors, who = embedding[part], person[part]
        cosine = _cosine(vectors, total[who] - weights[part, None] * vectors, norm)
        share = evidence.share(seconds[part], np.ones(len(who)))
        other = evidence.share(speech[who] - seconds[part], np.maximum(rows[who] - 1, 1))
        several = rows[who] > 1
        similarity[part] = np.where(several, cosine, np.nan)
        ratio[part] = np.where(several, evidence.log_ratio(cosine, share, other), np.nan)
    return similarity, ratio


def _cosine(first: np.ndarray, second: np.ndarray, norm: ScoreNorm | None) -> np.ndarray:
    norms = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    cosine = np.einsum("ij,ij->i", first, second) / np.maximum(norms, np.finfo(np.float32).tiny)
    if norm is None:
        return np.asarray(cosine)
    line = norm.lines(unit_rows(first)) + norm.lines(unit_rows(second))
    return np.clip(line[:, 0] * cosine + line[:, 1], -1, 1)


def _fixed_ratio(threshold: float, evidence: Evidence) -> float:
    ratio = evidence.ratio_at(threshold)
    if ratio <= 0:
        raise LinkingError(
            f"a link threshold of {threshold:g} would make strangers one person: cosines below "
            f"{evidence.cosine_at(0):.2f} are likelier between two people here; give a higher one, or none"
        )
    return ratio


def _check(
    embedding: np.ndarray, seconds: np.ndarray, recording: np.ndarray, known: KnownSpeakers | None
) -> None:
    n = len(embedding)
    if embedding.ndim != 2 or seconds.shape != (n,) or recording.shape != (n,):
        raise LinkingError(
            "(n, D), (n,) and (n,) are needed, not "
            f"embedding {embedding.shape}, seconds {seconds.shape} and recording {recording.shape}"
        )
    _check_vectors(embedding, "embedding")
    if known is None:
        return
    m = len(known.name)
    if known.embedding.shape != (m, embedding.shape[1]) or known.seconds.shape != (m,):
        raise LinkingError(
            f"{m} known speakers have embeddings {known.embedding.shape} and seconds {known.seconds.shape}, "
            f"those of the archive have {embedding.shape[1]} dimensions; embed both with the same model"
        )
    _check_vectors(known.embedding, "known speaker's embedding")


def _check_vectors(embedding: np.ndarray, what: str) -> None:
    for start in range(0, len(embedding), _BLOCK):
        norms = np.linalg.norm(embedding[start : start + _BLOCK], axis=1)
        bad = np.flatnonzero(~(np.abs(norms - 1) < _LENGTH_TOLERANCE))  # NaN is bad too
        if len(bad):
            raise LinkingError(
                f"{what} {start + bad[0]} has length {norms[bad[0]]:g}, unit vectors are needed; "
                "extract it again"
            )
