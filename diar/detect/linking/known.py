"""People whose voice was enrolled: which groups are theirs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from diar.detect.backend.compared import Compared
from diar.detect.linking.evidence import Evidence
from diar.detect.linking.groups import Groups, summed, vector_weights
from diar.errors import DiarError

PERSON_NAME = "person_{:04d}"  # across the archive, of those who are not known, counted from 1
SPEAKER_NAME = "speaker_{:04d}"  # of one recording only
_GENERATED = re.compile(r"(person|speaker)_\d+")
_BLOCK = 4_096


class LinkingError(DiarError):
    """Speakers that cannot be linked."""


@dataclass(frozen=True)
class KnownSpeakers:
    """m enrolled recordings of one voice each; a person with several has the same name in all.

    Raises:
        LinkingError: a name that is empty, or like those given to unknown speakers.
    """

    name: Sequence[str]
    embedding: np.ndarray  # (m, D) float32, L2-normalised
    seconds: np.ndarray  # (m,) of clean speech
    narrow_band: np.ndarray | None = None  # (m,) bool, over a telephone; None: none of them

    def __post_init__(self) -> None:
        for name in self.name:
            if not name or _GENERATED.fullmatch(name):
                raise LinkingError(
                    f"a known speaker cannot be called {name!r}: names like {PERSON_NAME.format(1)} and "
                    f"{SPEAKER_NAME.format(1)} are given to those who are not known; rename the folder"
                )


def match_known(
    groups: Groups, known: KnownSpeakers, evidence: Evidence, least_ratio: float
) -> dict[int, str]:
    """Names of groups, the likeliest match first; a person has at most one group in each recording."""
    names, person = np.unique(np.asarray(known.name, dtype=str), return_inverse=True)
    enrolled = summed(known.embedding, vector_weights(known.seconds, evidence), person)
    enrolled /= np.linalg.norm(enrolled, axis=1, keepdims=True)
    share = evidence.share(np.bincount(person, known.seconds), np.bincount(person))
    heard: list[set[int]] = [set() for _ in names]
    found: dict[int, str] = {}
    for group, who in _likely_matches(groups, enrolled, share, evidence, least_ratio):
        recordings = set(groups.recordings[[group]].indices.tolist())
        if group not in found and recordings.isdisjoint(heard[who]):
            found[group] = str(names[who])
            heard[who] |= recordings
    return found


def _likely_matches(
    groups: Groups, enrolled: np.ndarray, share: np.ndarray, evidence: Evidence, least_ratio: float
) -> list[tuple[int, int]]:
    """Group and person of every pair that reaches `least_ratio`, the likeliest first."""
    group_share = evidence.share(groups.seconds, groups.vectors)
    people = Compared.of(enrolled, groups.norm)
    found = []
    for start in range(0, len(groups), _BLOCK):
        cosine = groups.voices[start : start + _BLOCK].matrix(people)
        ratio = evidence.log_ratio(cosine, group_share[start : start + _BLOCK, None], share)
        group, person = np.nonzero(ratio >= least_ratio)
        found.append((ratio[group, person], group + start, person))
    ratio, group, person = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.lexsort((person, group, -ratio))
    return list(zip(group[order].tolist(), person[order].tolist(), strict=True))
