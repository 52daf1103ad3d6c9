"""Words with speakers against a reference: WER, cpWER, and the share of words with a wrong speaker.

WER is that of all words in the order of their times, whoever said them. cpWER (Watanabe et al., CHiME-6,
2020) concatenates each speaker's words and takes the best assignment of speakers. WDER (Shafey et al., "Joint
speech recognition and speaker diarization via sequence transduction", 2019) is the share of wrong speakers
among the words that were recognised, right or wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from diar.errors import DiarError
from diar.extras import require
from diar.letters import composed, is_letter
from diar.records import Word

_GAP = "\N{NULL}"
NOBODY = ""  # speaker of words that have none


class WordsScoreError(DiarError):
    """Words that cannot be scored."""


def basic(text: str) -> str:
    """Return `text` in lower case, without punctuation; apostrophes within words and vowel signs stay."""
    plain = composed(text.lower()).replace("’", "'")
    words = "".join(c if is_letter(c) or c == "'" else " " for c in plain).split()
    return " ".join(bare for bare in (word.strip("'") for word in words) if bare)


NORMALISATIONS: dict[str, Callable[[str], str]] = {"basic": basic, "none": str.strip}


@dataclass(frozen=True)
class WordErrors:
    """Errors of one recording, or of several together."""

    words: int = 0  # of the reference
    errors: int = 0  # whoever said them: substitutions, insertions, deletions
    cp_errors: int = 0  # with speakers
    aligned: int = 0  # words of the reference that have a word of the hypothesis
    wrong_speaker: int = 0  # of them
    without_speaker: int = 0  # words of the hypothesis
    hypothesis: int = 0  # words of the hypothesis

    def __add__(self, other: WordErrors) -> WordErrors:
        mine, others = vars(self), vars(other)
        return WordErrors(**{name: mine[name] + others[name] for name in mine})

    @property
    def wer(self) -> float:
        """Word error rate, whoever said the words."""
        return self.errors / self.words if self.words else float("nan")

    @property
    def cpwer(self) -> float:
        """Concatenated minimum-permutation word error rate."""
        return self.cp_errors / self.words if self.words else float("nan")

    @property
    def wder(self) -> float:
        """Share of recognised words with a wrong speaker."""
        return self.wrong_speaker / self.aligned if self.aligned else float("nan")


def score_recording(
    reference: Sequence[Word], hypothesis: Sequence[Word], normalise: Callable[[str], str] = basic
) -> WordErrors:
    """Score the words of one recording.

    Args:
        reference: true words with speakers.
        hypothesis: recognised words with speakers, or without.
        normalise: applied to each word of both; what becomes empty is left out, several words are several.

    Raises:
        WordsScoreError: the extra is missing.
    """
    kaldialign = require("kaldialign", "score", "scoring words", WordsScoreError)
    true, found = _tokens(reference, normalise), _tokens(hypothesis, normalise)
    errors = kaldialign.edit_distance([text for text, _ in true], [text for text, _ in found])["total"]
    cp = _cp_errors(kaldialign, true, found)
    aligned, wrong = _wrong_speakers(kaldialign, true, found)
    nobody = sum(speaker == NOBODY for _, speaker in found)
    return WordErrors(len(true), int(errors), int(cp), aligned, wrong, nobody, len(found))


def score_words(
    reference: Mapping[str, Sequence[Word]],
    hypothesis: Mapping[str, Sequence[Word]],
    normalise: Callable[[str], str] = basic,
) -> dict[str, WordErrors]:
    """Score all recordings of the reference; one without hypothesis has all its words deleted."""
    return {
        recording: score_recording(words, hypothesis.get(recording, ()), normalise)
        for recording, words in reference.items()
    }


def _tokens(words: Sequence[Word], normalise: Callable[[str], str]) -> list[tuple[str, str]]:
    """Return (normalised word, speaker), in the order of time."""
    ordered = sorted(words, key=lambda word: (word.start + word.end) / 2)
    return [(token, word.speaker or NOBODY) for word in ordered for token in normalise(word.text).split()]


def _cp_errors(kaldialign: Any, true: Sequence[tuple[str, str]], found: Sequence[tuple[str, str]]) -> int:
    """Return the errors of each speaker's words under the best assignment, whatever the number of speakers.

    Speakers without a partner have all their words deleted, or inserted.
    """
    mine, others = _by_speaker(true), _by_speaker(found)
    size = max(len(mine), len(others))
    mine, others = ([*own, *[[]] * (size - len(own))] for own in (mine, others))
    errors = np.array(
        [[kaldialign.edit_distance(one, other)["total"] for other in others] for one in mine]
    ).reshape(size, size)
    return int(errors[linear_sum_assignment(errors)].sum())


def _by_speaker(tokens: Sequence[tuple[str, str]]) -> list[list[str]]:
    """Return all that each speaker says."""
    spoken: dict[str, list[str]] = {}
    for text, speaker in tokens:
        spoken.setdefault(speaker, []).append(text)
    return list(spoken.values())


def _wrong_speakers(
    kaldialign: Any, true: Sequence[tuple[str, str]], found: Sequence[tuple[str, str]]
) -> tuple[int, int]:
    """Return how many words are aligned, and how many of them have a wrong speaker; best mapping."""
    pairs = kaldialign.align([text for text, _ in true], [text for text, _ in found], _GAP)
    counts: Counter[tuple[str, str]] = Counter()
    at_true, at_found = 0, 0
    for one, other in pairs:
        if one != _GAP and other != _GAP:
            counts[true[at_true][1], found[at_found][1]] += 1
        at_true, at_found = at_true + (one != _GAP), at_found + (other != _GAP)
    speakers = sorted({speaker for speaker, _ in counts})
    names = sorted({name for _, name in counts} - {NOBODY})
    table = np.array([[counts[speaker, name] for name in names] for speaker in speakers])
    table = table.reshape(len(speakers), len(names))
    right = int(table[linear_sum_assignment(-table)].sum()) if table.size else 0
    return sum(counts.values()), sum(counts.values()) - right
