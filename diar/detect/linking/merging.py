"""One round of agglomeration: partners become one, and their followers join them."""

from __future__ import annotations

import numpy as np

from diar.detect.linking.evidence import Evidence
from diar.detect.linking.groups import Groups
from diar.detect.linking.partners import Partners


def merge_partners(
    groups: Groups, partners: Partners, evidence: Evidence, least_ratio: float
) -> tuple[Groups, np.ndarray]:
    """Merge all pairs that prefer each other, then add followers: groups that prefer one of the two.

    A follower joins if the pair together still reaches `least_ratio` with it. The pair at most doubles, the
    likeliest followers first, so that what joins later is judged by a better mean: a person of 1000 rows
    takes some ten rounds, where pairs alone would take hundreds.

    Returns:
        The fewer groups, and the new index (g,) of each old group.
    """
    first, second = partners.mutual()
    followers, leaders = _followers(partners, first, second)
    merged, renamed = groups.merge(first, second)
    followers, leaders = renamed[followers], renamed[leaders]
    cosine = merged.voices[followers].pairs(merged.voices[leaders])
    share = evidence.share(merged.seconds, merged.vectors)
    ratio = evidence.log_ratio(cosine, share[followers], share[leaders])
    likely = np.flatnonzero(ratio >= least_ratio)
    likely = likely[np.lexsort((followers[likely], -ratio[likely], leaders[likely]))]
    followers, leaders = _within_double(merged, followers[likely], leaders[likely])
    apart = _first_of_recording(merged, followers, leaders)
    merged, again = merged.merge(leaders[apart], followers[apart])
    return merged, again[renamed]


def _followers(partners: Partners, first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Groups that prefer a group of a pair without being in one, and that group."""
    paired = np.zeros(len(partners.index), bool)
    paired[first] = paired[second] = True
    others = np.flatnonzero((partners.index >= 0) & ~paired)
    others = others[paired[partners.index[others]]]
    return others, partners.index[others]


def _within_double(
    groups: Groups, followers: np.ndarray, leaders: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """As many of each leader's followers, in order, as have no more vectors together than the leader."""
    vectors = groups.vectors[followers]
    total = np.cumsum(vectors, dtype=np.float64)
    start = np.diff(leaders, prepend=-1) != 0
    before = np.repeat((total - vectors)[start], np.diff(np.append(np.flatnonzero(start), len(leaders))))
    fits = total - before <= groups.vectors[leaders]
    return followers[fits], leaders[fits]


def _first_of_recording(groups: Groups, followers: np.ndarray, leaders: np.ndarray) -> np.ndarray:
    """(f,) bool: no recording of the follower is the leader's, or an earlier follower's of that leader."""
    group = np.concatenate([np.unique(leaders), followers])
    target = np.concatenate([np.unique(leaders), leaders])
    held = groups.recordings[group]
    entry = np.repeat(np.arange(len(group)), np.diff(held.indptr))
    place = target[entry].astype(np.int64) * held.shape[1] + held.indices
    order = np.argsort(place, kind="stable")
    repeated = order[1:][np.diff(place[order]) == 0]
    free = np.ones(len(group), bool)
    free[entry[repeated]] = False
    return free[len(group) - len(followers) :]
