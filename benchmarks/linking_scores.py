"""Pairwise scores of linking, for benchmarks/linking.py: pairs of local speakers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from diar.records import Turn

NOBODY = ""  # person of a found speaker without a match; label of a true speaker that was not found


@dataclass(frozen=True)
class LocalSpeakers:
    """Every speaker of every recording, true or found: n rows."""

    person: np.ndarray  # (n,) str, or NOBODY
    label: np.ndarray  # (n,) str, or NOBODY
    recording: np.ndarray  # (n,) str

    def chosen(self, rows: np.ndarray) -> LocalSpeakers:
        """Return those of `rows`, (n,) bool."""
        return LocalSpeakers(self.person[rows], self.label[rows], self.recording[rows])

    def counts(self) -> tuple[int, int, int]:
        """Count speakers that were matched, that were not found, and that are nobody."""
        missed, extra = int((self.label == NOBODY).sum()), int((self.person == NOBODY).sum())
        return len(self.person) - missed - extra, missed, extra


def match_speakers(truth: dict[str, list[Turn]], found: dict[str, list[Turn]]) -> LocalSpeakers:
    """Match true and found speakers in each recording by most common speech, as DER does."""
    rows: list[tuple[str, str, str]] = []
    for recording, turns in truth.items():
        answer = found.get(recording, [])
        names, others = sorted({t.speaker for t in turns}), sorted({t.speaker for t in answer})
        common = np.zeros((len(names), len(others)))
        for turn in turns:
            for other in answer:
                both = min(turn.end, other.end) - max(turn.start, other.start)
                common[names.index(turn.speaker), others.index(other.speaker)] += max(both, 0.0)
        row, column = linear_sum_assignment(common, maximize=True)
        match = {names[i]: others[j] for i, j in zip(row, column, strict=True) if common[i, j] > 0}
        rows += [(name, match.get(name, NOBODY), recording) for name in names]
        rows += [(NOBODY, name, recording) for name in others if name not in match.values()]
    person, label, where = (np.array(column) for column in zip(*rows, strict=True))
    return LocalSpeakers(person, label, where)


def pair_counts(truth: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Count pairs of rows with one name: (3,) in both, in `label`, in `truth`; NOBODY never makes a pair."""
    truth, label = _distinct(truth), _distinct(label)
    both = np.stack([truth, label], axis=1)
    return np.array([_pairs(both), _pairs(label), _pairs(truth)])


def _distinct(names: np.ndarray) -> np.ndarray:
    """Number the names: (n,) int, equal for equal names, and a number of its own for each NOBODY."""
    known, number = np.unique(names, return_inverse=True)
    nobody = names == NOBODY
    number[nobody] = len(known) + np.arange(nobody.sum())
    return number


def _pairs(rows: np.ndarray) -> int:
    counts = np.unique(rows, axis=0, return_counts=True)[1]
    return int((counts * (counts - 1) // 2).sum())


def people(names: np.ndarray) -> int:
    """Count the different names, without NOBODY."""
    return len(set(names.tolist()) - {NOBODY})


def split_by_channel(speakers: LocalSpeakers, channel: np.ndarray) -> dict[str, LocalSpeakers]:
    """Return the rows of all local speakers and of each `channel` (n,) str."""
    names = np.unique(channel).tolist()
    return {"all": speakers} | {f"both {name}": speakers.chosen(channel == name) for name in names}


def channel_counts(parts: dict[str, LocalSpeakers]) -> dict[str, np.ndarray]:
    """Return `pair_counts` of each part, of all pairs within one channel, and of those across channels."""
    counts = {name: pair_counts(part.person, part.label) for name, part in parts.items()}
    within = sum((pairs for name, pairs in counts.items() if name != "all"), np.zeros(3, int))
    return {**counts, "one channel": within, "across channels": counts["all"] - within}


def accuracy_cells(counts: np.ndarray) -> str:
    """Return pairwise precision, recall and F1 as cells."""
    together, found, true = counts.tolist()
    precision, recall = together / max(found, 1), together / max(true, 1)
    return f"{precision:.3f} | {recall:.3f} | {2 * together / max(found + true, 1):.3f}"


def accuracy(truth: np.ndarray, label: np.ndarray) -> str:
    """Return people found / true people, and pairwise precision, recall and F1, as cells."""
    return f"{people(label)} of {people(truth)} | {accuracy_cells(pair_counts(truth, label))}"
