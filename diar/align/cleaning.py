"""What a recogniser heard where nobody speaks, and what it said again and again.

Whisper and its kin fill silence and music with words, repeat themselves in loops, let the first word of a
piece begin with the piece, and the last one run into the pause. All of that can be seen from the speech
that the segmentation model found.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from diar.align.times import plausible_times
from diar.intervals import at_least, running_seconds
from diar.letters import letters
from diar.records import Word

_MARGIN = 0.25  # seconds around speech that count as speech: words are placed no better than that
_LEAST_SHARE = 0.2  # of a word that must be speech …
_LEAST_SECONDS = 0.1  # … unless this much of it is
_BRIDGED = 0.25  # seconds of a pause that a word may span
_SCRAP = 0.5  # seconds of speech on its own, which may be music, …
_BELIEVED = 0.3  # … unless one of its words is at least this probable
_LONGEST_LOOP = 60  # words that are repeated; half a minute of Whisper holds two such
# times in a row that words may be said; people say one word more often than several
_MOST_REPEATS = {1: 5, 2: 4}
_MOST_REPEATS_OF_MORE = 3
_LONG_LOOP, _MOST_REPEATS_OF_LONG = 16, 2  # words from which on nobody says them a third time in a row


@dataclass(frozen=True)
class Cleaned:
    """Words without what nobody said."""

    words: list[Word]
    outside_speech: int  # words that were dropped because nobody speaks there, or hardly
    repeated: int  # words that were dropped as repetitions


def clean(words: Sequence[Word], speech: np.ndarray, text_key: Callable[[str], str] | None = None) -> Cleaned:
    """Drop words outside of speech, in scraps of it, and loops; clip the others to the speech.

    Words with a probability, which a recogniser has timed, get times that can be, too.

    Args:
        words: ascending by start.
        speech: (n, 2) seconds where anybody speaks; ascending, disjoint.
        text_key: what makes two words the same in a loop; default: their letters, see `diar.letters`.
    """
    inside = drop_scraps(clip_to_speech(words, speech), speech)
    kept = cut_loops(plausible_times(inside), text_key or letters)
    return Cleaned(kept, len(words) - len(inside), len(inside) - len(kept))


def clip_to_speech(words: Sequence[Word], speech: np.ndarray) -> list[Word]:
    """Return the words in speech, each clipped to the interval of speech with most of it.

    Pauses of a quarter of a second may be within a word, and a quarter of a second around speech counts as
    speech. A word of which less than a fifth, and less than a tenth of a second, is speech is dropped.
    """
    if not words or not len(speech):
        return []
    times = np.array([(word.start, word.end) for word in words])
    length = times[:, 1] - times[:, 0]
    wider = at_least(1, [speech + np.array([-_MARGIN, _MARGIN])])
    inside = np.diff(running_seconds(wider, times), axis=1)[:, 0]
    at_once = np.searchsorted(wider.ravel(), times[:, 0], "right") % 2 == 1  # of words without length
    spoken = (inside >= _LEAST_SECONDS) | np.where(length > 0, inside > _LEAST_SHARE * length, at_once)
    bridged = _bridge(speech, _BRIDGED)
    return [
        _clipped(_clipped(word, wider), bridged)
        for word, is_spoken in zip(words, spoken, strict=True)
        if is_spoken
    ]


def drop_scraps(words: Sequence[Word], speech: np.ndarray) -> list[Word]:
    """Return the words without improbable ones in half a second of speech on its own.

    A beat of music may pass for speech that short; what Whisper hears there ("you", "Thank") has a
    probability of less than 0.1. Words without a probability are kept.
    """
    if not words or not len(speech):
        return list(words)
    islands = at_least(1, [speech + np.array([-_MARGIN, _MARGIN])])
    place = np.searchsorted(islands[:, 0], [(word.start + word.end) / 2 for word in words], "right") - 1
    best = np.zeros(len(islands))
    probable = [1.0 if word.probability is None else word.probability for word in words]
    np.maximum.at(best, place, probable)
    kept = (np.diff(islands, axis=1)[:, 0] - 2 * _MARGIN >= _SCRAP) | (best >= _BELIEVED)
    return [word for word, island in zip(words, place.tolist(), strict=True) if kept[island]]


def _bridge(speech: np.ndarray, pause: float) -> np.ndarray:
    """Return `speech` with pauses of up to `pause` seconds filled."""
    apart = speech[1:, 0] - speech[:-1, 1] > pause
    starts, ends = np.append(True, apart), np.append(apart, True)
    return np.column_stack([speech[starts, 0], speech[ends, 1]])


def _clipped(word: Word, speech: np.ndarray) -> Word:
    """Return the word within the interval of `speech` that has most of it; as it is where none has any."""
    first = int(np.searchsorted(speech[:, 1], word.start, "right"))
    end = int(np.searchsorted(speech[:, 0], word.end, "left"))
    if end <= first:
        return word
    near = np.clip(speech[first:end], word.start, word.end)
    best = near[int(np.argmax(near[:, 1] - near[:, 0]))]
    return replace(word, start=float(best[0]), end=float(best[1]))


def cut_loops(words: Sequence[Word], text_key: Callable[[str], str]) -> list[Word]:
    """Keep one of the repetitions where the same words come more often in a row than people say them.

    One word may come five times, two words four times, more words three times, 16 and more words twice.
    """
    keys = [text_key(word.text) for word in words]
    kept: list[Word] = []
    position = 0
    while position < len(words):
        size, times = _loop_at(keys, position)
        kept += words[position : position + size]
        position += size * times
    return kept


def _loop_at(keys: Sequence[str], position: int) -> tuple[int, int]:
    """Return how many words are repeated from `position` on and how often; (1, 1) where none are."""
    for size in range(1, min(_LONGEST_LOOP, (len(keys) - position) // 2) + 1):
        if keys[position + size] != keys[position]:
            continue
        unit, times = keys[position : position + size], 1
        while keys[position + times * size : position + (times + 1) * size] == unit:
            times += 1
        if times > _most_repeats(size) and any(unit):
            return size, times
    return 1, 1


def _most_repeats(size: int) -> int:
    return _MOST_REPEATS_OF_LONG if size >= _LONG_LOOP else _MOST_REPEATS.get(size, _MOST_REPEATS_OF_MORE)
