"""From runs of frames to turns that clients know by number, and what they must be told of changes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from diar.online.events import (
    LiveTurn,
    TurnCorrected,
    TurnEnded,
    TurnFinal,
    TurnStarted,
    TurnUpdated,
)
from diar.online.final_turns import FinalTurns, renamed
from diar.online.telling import Draft
from diar.online.timeline import Run

_TOLERANCE = 0.05  # seconds by which a boundary may be off without a correction


@dataclass(frozen=True)
class ToldTurn:
    """A turn as clients know it."""

    turn: LiveTurn
    ended: bool


class TurnBook:
    """All turns of a stream.

    Attributes:
        told: those that may change, by number.
        final: those that never change, ascending by end.
    """

    def __init__(self) -> None:
        self.told: dict[int, ToldTurn] = {}
        self.final = FinalTurns()
        self.next_id = 1

    @property
    def turns(self) -> list[LiveTurn]:
        """Return all turns, ascending by start."""
        both = [*self.final, *(told.turn for told in self.told.values())]
        return sorted(both, key=lambda turn: (turn.start, turn.end, turn.id))

    def since(self, seconds: float) -> list[LiveTurn]:
        """Return the turns that end later than that, ascending by start."""
        return [turn for turn in self.turns if turn.end > seconds]

    def spans(self, speaker: str) -> np.ndarray:
        """Return start and end of a speaker's turns, (n, 2) seconds, ascending."""
        open_turns = [told.turn for told in self.told.values() if told.turn.speaker == speaker]
        later = np.array([(turn.start, turn.end) for turn in open_turns], np.float64).reshape(-1, 2)
        both = np.concatenate([self.final.spans(speaker), later])
        return both[np.lexsort((both[:, 1], both[:, 0]))]

    def rename(self, old: str, new: str) -> None:
        """Give the turns of one speaker to another, told and final; a client does so by itself."""

        def own(turn: LiveTurn) -> LiveTurn:
            overlaps = renamed(turn.overlaps, old, new, turn.speaker)
            return replace(turn, speaker=new if turn.speaker == old else turn.speaker, overlaps=overlaps)

        self.told = {number: replace(told, turn=own(told.turn)) for number, told in self.told.items()}
        self.final.rename(old, new)

    def hand_over(self, numbers: Iterable[int], speaker: str) -> None:
        """Give some turns to a speaker; a client does so by itself."""
        chosen = set(numbers)
        self.final.hand_over(chosen, speaker)
        for number in chosen & set(self.told):
            told = self.told[number]
            self.told[number] = replace(told, turn=replace(told.turn, speaker=speaker))

    def update(self, runs: Sequence[Run]) -> list[Draft]:
        """Return what changed, now that the turns which may change are `runs`."""
        pairs, new, gone = self._matched(runs)
        drafts = [draft for number in gone for draft in self._remove(number)]
        for number, run in sorted(pairs.items(), key=lambda pair: (pair[1].start, pair[0])):
            drafts += self._change(number, run)
        for run in new:
            drafts += self._start(run)
        return drafts

    def settle(self, until: float, going_on: Collection[int]) -> list[Draft]:
        """Make the turns final that ended before `until` seconds.

        Args:
            until: where the settled frames end.
            going_on: speakers who speak in the last of them.
        """
        done = [
            number
            for number, told in self.told.items()
            if told.ended
            and (
                told.turn.end <= until - _TOLERANCE
                or (told.turn.end <= until + _TOLERANCE and int(told.turn.speaker) not in going_on)
            )
        ]
        drafts = []
        for number in sorted(done, key=lambda number: self.told[number].turn.end):
            turn = replace(self.told.pop(number).turn, final=True)
            self.final.append(turn)
            drafts.append(Draft(TurnFinal, turn.end, {"turn": turn}))
        return drafts

    def _matched(self, runs: Sequence[Run]) -> tuple[dict[int, Run], list[Run], list[int]]:
        """Return told turns with the run that each has become, runs of no told turn, and turns of no run."""
        pairs: dict[int, Run] = {}
        left = list(range(len(runs)))
        for same_speaker in (True, False):
            candidates = [
                (-_common(told.turn, runs[i]), number, i)
                for number, told in self.told.items()
                if number not in pairs
                for i in left
                if _may_become(told.turn, runs[i], same_speaker)
            ]
            for _, number, i in sorted(candidates):
                if number not in pairs and i in left:
                    pairs[number] = runs[i]
                    left.remove(i)
        gone = [number for number in self.told if number not in pairs]
        return pairs, [runs[i] for i in left], gone

    def _remove(self, number: int) -> list[Draft]:
        turn = self.told.pop(number).turn
        return [Draft(TurnCorrected, turn.start, {"turn": turn, "was": turn, "removed": True})]

    def _start(self, run: Run) -> list[Draft]:
        turn = _turn_of(self.next_id, run)
        self.next_id += 1
        self.told[turn.id] = ToldTurn(turn, not run.at_end)
        drafts = [Draft(TurnStarted, run.start, {"turn": turn})]
        if not run.at_end:
            drafts.append(Draft(TurnEnded, run.end, {"turn": turn}))
        return drafts

    def _change(self, number: int, run: Run) -> list[Draft]:
        told = self.told[number]
        was, turn = told.turn, _turn_of(number, run)
        if abs(turn.start - was.start) <= _TOLERANCE:
            turn = replace(turn, start=was.start)
        if told.ended and abs(turn.end - was.end) <= _TOLERANCE:
            turn = replace(turn, end=was.end)
        ended = not run.at_end
        self.told[number] = ToldTurn(turn, ended)
        drafts = []
        moved = turn.speaker != was.speaker or turn.start != was.start
        if moved or (told.ended and turn.end != was.end):
            drafts.append(Draft(TurnCorrected, turn.start if moved else was.end, {"turn": turn, "was": was}))
        elif told.ended and ended and turn.overlaps == was.overlaps:
            self.told[number] = ToldTurn(replace(turn, confidence=was.confidence), ended)
        elif not ended and turn != was:
            drafts.append(Draft(TurnUpdated, turn.end, {"turn": turn}))
        if ended and not told.ended:
            drafts.append(Draft(TurnEnded, turn.end, {"turn": turn}))
        return drafts


def _turn_of(number: int, run: Run) -> LiveTurn:
    overlaps = tuple(str(other) for other in run.overlaps)
    return LiveTurn(number, str(run.speaker), run.start, run.end, overlaps, run.confidence)


def _common(turn: LiveTurn, run: Run) -> float:
    return min(turn.end, run.end) - max(turn.start, run.start)


def _may_become(turn: LiveTurn, run: Run, same_speaker: bool) -> bool:
    common = _common(turn, run)
    if (turn.speaker == str(run.speaker)) != same_speaker or common <= 0:
        return False
    return same_speaker or common > 0.5 * max(turn.end - turn.start, run.end - run.start)
