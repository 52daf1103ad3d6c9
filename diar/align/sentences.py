"""Sentences and turns: whose turn begins and ends with what is said.

In overlap two turns cover a word, and the frame posteriors hardly tell whose it is. But people begin to speak
with a sentence and stop with one, so a sentence is rather that of the speaker whose turn has its ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from diar.formats.words.punctuation import ends_sentence
from diar.records import SpeakerTurns, Word

PAUSE = 0.6  # seconds that end a sentence without a mark
_NEAR = 0.5  # seconds within which a turn begins or ends with a word


def sentence_fit(words: Sequence[Word], turns: SpeakerTurns) -> np.ndarray:
    """Return (W, K): how well the ends of a sentence are those of a turn of each speaker, 0 to 1 an end.

    The first word of a sentence has the beginning, the last one the end, a sentence of one word both.

    Args:
        words: of one stream, ascending by start.
        turns: of K speakers.
    """
    fit = np.zeros((len(words), len(turns.intervals)))
    if not len(words):
        return fit
    breaks = np.array(
        [ends_sentence(word.text) or later.start - word.end >= PAUSE for word, later in pairwise(words)], bool
    )
    first, last = np.append(True, breaks), np.append(breaks, True)
    times = np.array([(word.start, word.end) for word in words])
    for column, own in enumerate(turns.intervals.values()):
        fit[first, column] += _nearness(times[first, 0], own[:, 0])
        fit[last, column] += _nearness(times[last, 1], own[:, 1])
    return fit


def _nearness(moments: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return how near the nearest of `others` is to each of `moments`: 1 at it, 0 from half a second on."""
    apart = np.abs(moments[:, None] - others).min(axis=1, initial=np.inf)
    return np.asarray(np.maximum(1 - apart / _NEAR, 0))
