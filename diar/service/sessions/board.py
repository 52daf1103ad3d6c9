"""What is known of a session now: turns and names, as its events have told them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from itertools import islice
from typing import Any

from diar.online.events import (
    Event,
    LiveTurn,
    LiveWord,
    SpeakerMerged,
    SpeakerNamed,
    SpeakerSplit,
    TurnCorrected,
    TurnEvent,
    WordsHeard,
    rounded,
)
from diar.online.final_turns import FinalTurns

MOST_WORDS = 5_000  # the latest
MOST_TURNS = 5_000  # the latest; a day of talk has more, and memory is bounded
_RECENT = 500  # turns, 20 minutes; what is older and final is kept in columns


class Board:
    """Turns by id, and names by speaker.

    Attributes:
        turns: the latest, and those that may change, by id.
        names: of speakers that have one.
    """

    def __init__(self, turns: Iterable[LiveTurn] = (), names: Mapping[str, str] | None = None) -> None:
        self.turns = {turn.id: turn for turn in turns}
        self.names = dict(names or {})
        self._early = FinalTurns()
        self._omitted = 0  # turns before those, which are known no more
        self._tidy()
        self.words: deque[LiveWord] = deque(maxlen=MOST_WORDS)
        self.partial: tuple[LiveWord, ...] = ()  # words that may change

    def renew(self, turns: Iterable[LiveTurn], names: Mapping[str, str]) -> None:
        """Replace turns and names."""
        self.turns.clear()  # words look into this dictionary
        self.turns.update({turn.id: turn for turn in turns})
        self.names = dict(names)
        self._early = FinalTurns()
        self._tidy()

    def take(self, event: Event) -> None:
        """Change what an event changes."""
        if isinstance(event, TurnCorrected) and event.removed:
            self.turns.pop(event.turn.id, None)
        elif isinstance(event, TurnEvent):
            self.turns[event.turn.id] = event.turn
            self._tidy()
        elif isinstance(event, SpeakerMerged):
            self._relabel(None, event.speaker, event.into)
        elif isinstance(event, SpeakerSplit):
            self._relabel(event.turns, event.speaker, event.into)
        elif isinstance(event, SpeakerNamed):
            self.names[event.speaker] = event.name
        elif isinstance(event, WordsHeard):
            self.words.extend(event.words)
            self.partial = event.partial

    def to_dict(self) -> dict[str, Any]:
        """Return `turns` (ascending by start), `names`, and how many early turns were left out."""
        turns = sorted([*self._early, *self.turns.values()], key=lambda turn: (turn.start, turn.id))
        return {
            "turns": [_turn(turn) for turn in turns],
            "omitted_turns": self._omitted,
            "names": self.names,
        }

    def final_turns(self) -> list[dict[str, Any]]:
        """Return the turns that never change, ascending by start."""
        return [turn for turn in self.to_dict()["turns"] if turn["final"]]

    def speakers(self) -> set[str]:
        """Return the speakers of all turns."""
        return set(self._speakers().values())

    def words_to_dict(self) -> dict[str, Any]:
        """Return `words`, the latest, and `partial`; each is whoever's its turn is now."""
        speakers = self._speakers()
        return {
            "words": [_word(word, speakers) for word in self.words],
            "partial": [_word(word, speakers) for word in self.partial],
        }

    def _speakers(self) -> dict[int, str]:
        return {**self._early.speakers(), **{turn.id: turn.speaker for turn in self.turns.values()}}

    def _tidy(self) -> None:
        """Put what is old and final into columns, and forget the oldest of that."""
        more = len(self.turns) - _RECENT
        if more <= 0:
            return
        final = (turn for turn in self.turns.values() if turn.final)  # those that were told of first
        for turn in list(islice(final, more)):
            self._early.append(self.turns.pop(turn.id))
        omitted = max(0, len(self._early) + _RECENT - MOST_TURNS)
        self._early.forget(omitted)
        self._omitted += omitted

    def _relabel(self, identifiers: Iterable[int] | None, speaker: str, into: str) -> None:
        """Give turns of a speaker, those of some numbers or all, to another."""
        chosen = {number for number, own in self._speakers().items() if own == speaker}
        if identifiers is not None:
            chosen &= set(identifiers)
        self._early.hand_over(chosen, into)
        for identifier in chosen & set(self.turns):
            self.turns[identifier] = replace(self.turns[identifier], speaker=into)


def _word(word: LiveWord, speakers: Mapping[int, str]) -> dict[str, Any]:
    speaker = None if word.turn is None else speakers.get(word.turn)
    return rounded(asdict(word if speaker is None else replace(word, speaker=speaker)))


def _turn(turn: LiveTurn) -> dict[str, Any]:
    return {
        "id": turn.id,
        "speaker": turn.speaker,
        "start": round(turn.start, 3),
        "end": round(turn.end, 3),
        "overlaps": list(turn.overlaps),
        "confidence": round(turn.confidence, 3),
        "final": turn.final,
    }
