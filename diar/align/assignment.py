"""A speaker for every word: the way through all words that disagrees least with the turns.

Each word costs the seconds of it that its speaker's turns do not cover; in overlap, less likely speakers cost
more. A speaker whose turn begins or ends with the sentence costs less. A change of speaker costs up to 0.3 s
within a clause and next to nothing after a sentence or a pause. So changes lie between sentences unless the
turns are clear. The cheapest way is found by the Viterbi algorithm over words and speakers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from diar.align.evidence import Evidence, gather
from diar.align.sentences import PAUSE, sentence_fit
from diar.align.streams import split_streams
from diar.formats.words.punctuation import ends_clause, ends_sentence
from diar.intervals import at_least, running_seconds
from diar.records import MIXED, RecordingTracks, SpeakerTurns, Turn, Word

_CHANGE = 0.3  # seconds of disagreement that a change of speaker costs within a clause, …
_AFTER_CLAUSE = 0.12  # … after a clause, …
_AFTER_SENTENCE = 0.02  # … after a sentence, and after a pause of `PAUSE`; shorter ones in proportion
_LENGTHS = 0.1, 1.0  # seconds that a word weighs at least and at most
_AT_ONCE = 2.0  # seconds of disagreement a second in which a speaker says another word
_ROUNDS = 2  # through the streams, each of which depends on the others
_TRUST = 0.5  # in what tells who is likelier in overlap
_OVERLAP = 0.5  # share of a word in somebody else's turns


@dataclass(frozen=True)
class AssignmentSettings:
    """How words get their speakers."""

    reach: float = 0.5  # seconds from the nearest turn up to which a word outside of all turns is somebody's
    change: float = (
        _CHANGE  # seconds of disagreement for which a change moves to the next gap; 0: word by word
    )


DEFAULTS = AssignmentSettings()


def assign_speakers(
    words: Sequence[Word],
    turns: Sequence[Turn],
    tracks: RecordingTracks | None = None,
    settings: AssignmentSettings = DEFAULTS,
) -> list[Word]:
    """Return `words` with speakers, in the same order; a word far from all turns is nobody's.

    Args:
        words: of one recording; those with a channel belong to the turns of that channel.
        turns: of the same recording.
        tracks: what stage 1 stored of it; tells who is likelier in overlap.
        settings: how far, and how willingly, speakers change.
    """
    everybody = SpeakerTurns.of(turns)
    apart = everybody.by_channel()
    found: list[Word] = list(words)
    for channel in {word.channel for word in words}:
        own = apart.get(channel, SpeakerTurns()) if channel != MIXED else everybody
        places = sorted(
            (n for n, word in enumerate(words) if word.channel == channel), key=lambda n: words[n].start
        )
        assigned = _assign([words[n] for n in places], own, tracks, settings)
        for place, word in zip(places, assigned, strict=True):
            found[place] = word
    return found


def _assign(
    words: list[Word], turns: SpeakerTurns, tracks: RecordingTracks | None, settings: AssignmentSettings
) -> list[Word]:
    """Assign words, ascending by start, to the speakers of the turns."""
    if not turns.intervals:
        return [replace(word, speaker=None, overlap=False) for word in words]
    evidence = gather(words, turns, tracks)
    near = evidence.distance.min(axis=1) <= settings.reach
    speakers = np.full(len(words), -1)
    streams = [np.array(stream)[near[stream]] for stream in split_streams(words)]
    costs = _costs(words, evidence, settings)
    for own in streams * (1 if len(streams) == 1 else _ROUNDS):
        spoken = [words[n] for n in own.tolist()]
        speakers[own] = -1
        busy = _busy(spoken, words, speakers, len(evidence.speakers))
        fit = settings.change * sentence_fit(spoken, turns)
        speakers[own] = cheapest_way(costs[own] + _AT_ONCE * busy - fit, _changes(spoken, settings))
    return [
        replace(word, speaker=None, overlap=False)
        if speaker < 0
        else replace(word, speaker=evidence.speakers[speaker], overlap=_is_overlap(covered, speaker))
        for word, speaker, covered in zip(words, speakers.tolist(), evidence.covered, strict=True)
    ]


def _busy(own: Sequence[Word], words: Sequence[Word], speakers: np.ndarray, count: int) -> np.ndarray:
    """Return (W, K) seconds of `own` words in which each speaker says something else of `words`."""
    times = np.array([(word.start, word.end) for word in own]).reshape(-1, 2)
    busy = np.zeros((len(own), count))
    for speaker in set(speakers[speakers >= 0].tolist()):
        others = [(words[n].start, words[n].end) for n in np.flatnonzero(speakers == speaker).tolist()]
        busy[:, speaker] = np.diff(running_seconds(at_least(1, [np.array(others)]), times), axis=1)[:, 0]
    return busy


def _costs(words: Sequence[Word], evidence: Evidence, settings: AssignmentSettings) -> np.ndarray:
    """Return (W, K) seconds of disagreement of each word with each speaker; infinite beyond reach."""
    length = np.clip([word.end - word.start for word in words], *_LENGTHS)[:, None]
    likely = _TRUST * evidence.likely + (1 - _TRUST) * evidence.covered
    costs = length * (1 - likely) + evidence.distance
    return np.where(evidence.distance <= settings.reach, costs, np.inf)


def _changes(words: Sequence[Word], settings: AssignmentSettings) -> np.ndarray:
    """Return (W - 1,) what a change of speaker costs after each word but the last."""
    marks = [
        _AFTER_SENTENCE if ends_sentence(word.text) else _AFTER_CLAUSE if ends_clause(word.text) else _CHANGE
        for word in words[:-1]
    ]
    pauses = np.array([later.start - word.end for word, later in pairwise(words)])
    by_pause = np.maximum(_CHANGE * (1 - pauses / PAUSE), _AFTER_SENTENCE)
    return np.asarray(np.minimum(marks, by_pause) * (settings.change / _CHANGE))


def cheapest_way(costs: np.ndarray, changes: np.ndarray) -> np.ndarray:
    """Return (W,) the state of each step on the way that costs least.

    Args:
        costs: (W, K) of each step in each state.
        changes: (W - 1,) of a change after each step but the last.
    """
    steps, states = costs.shape
    if not steps:
        return np.empty(0, int)
    stay = np.arange(states)
    before = np.empty((steps, states), int)
    total = costs[0]
    for step in range(1, steps):
        best = int(total.argmin())
        jump = total[best] + changes[step - 1]
        before[step] = np.where(total <= jump, stay, best)
        total = np.minimum(total, jump) + costs[step]
    way = np.empty(steps, int)
    way[-1] = total.argmin()
    for step in range(steps - 1, 0, -1):
        way[step - 1] = before[step, way[step]]
    return way


def _is_overlap(covered: np.ndarray, speaker: int) -> bool:
    return bool(np.delete(covered, speaker).max(initial=0) >= _OVERLAP)
