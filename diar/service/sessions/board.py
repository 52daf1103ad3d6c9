"""What is known of a session now: turns and names, as its events have told them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from diar.online.events import (
    Event,
    LiveTurn,
    SpeakerMerged,
    SpeakerNamed,
    SpeakerSplit,
    TurnCorrected,
    TurnEvent,
)

MOST_TURNS = 5_000  # the latest; a day of talk has more, and memory is bounded


class Board:
    """Turns by id, and names by speaker."""

    def __init__(self, turns: Iterable[LiveTurn] = (), names: Mapping[str, str] | None = None) -> None:
        self.turns = {turn.id: turn for turn in turns}
        self.names = dict(names or {})
        self._omitted = 0  # early turns that are known no more

    def take(self, event: Event) -> None:
        """Change what an event changes."""
        if isinstance(event, TurnCorrected) and event.removed:
            self.turns.pop(event.turn.id, None)
        elif isinstance(event, TurnEvent):
            self.turns[event.turn.id] = event.turn
            self._forget()
        elif isinstance(event, SpeakerMerged):
            self._relabel(self.turns, event.speaker, event.into)
        elif isinstance(event, SpeakerSplit):
            self._relabel(event.turns, event.speaker, event.into)
        elif isinstance(event, SpeakerNamed):
            self.names[event.speaker] = event.name

    def to_dict(self) -> dict[str, Any]:
        """Return `turns` (ascending by start), `names`, and how many early turns were left out."""
        turns = sorted(self.turns.values(), key=lambda turn: (turn.start, turn.id))
        return {
            "turns": [_turn(turn) for turn in turns],
            "omitted_turns": self._omitted,
            "names": self.names,
        }

    def _forget(self) -> None:
        while len(self.turns) > MOST_TURNS:
            del self.turns[next(iter(self.turns))]  # the one that was told of first
            self._omitted += 1

    def _relabel(self, identifiers: Iterable[int], speaker: str, into: str) -> None:
        for identifier in list(identifiers):
            turn = self.turns.get(identifier)
            if turn is not None and turn.speaker == speaker:
                self.turns[identifier] = replace(turn, speaker=into)


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
