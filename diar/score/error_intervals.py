"""When in a recording the errors are that its amounts count."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from diar.score.recording import RecordingScore


@dataclass(frozen=True)
class ErrorInterval:
    """An interval in seconds, and how many speakers are missed, falsely found and confused in it."""

    start: float
    end: float
    miss: int
    false_alarm: int
    confusion: int


def error_intervals(score: RecordingScore) -> list[ErrorInterval]:
    """Return the intervals with an error, ascending.

    Their seconds times their numbers add up to the recording's amounts.
    """
    talking: dict[str, Counter[str]] = {side: Counter() for side in ("region", "reference", "hypothesis")}
    intervals: list[ErrorInterval] = []
    before = 0.0
    for time, step, side, name in _events(score):
        if time > before and talking["region"]:
            there, found = set(talking["reference"]), set(talking["hypothesis"])
            interval = _count(before, time, there, found, score.mapping)
            if interval.miss or interval.false_alarm or interval.confusion:
                intervals.append(interval)
        before = time
        talking[side][name] += step
        if not talking[side][name]:
            del talking[side][name]
    return intervals


def _events(score: RecordingScore) -> list[tuple[float, int, str, str]]:
    """Return starts (+1) and ends (-1) of regions and turns by time, ends before starts of the same time."""
    intervals = [(start, end, "region", "") for start, end in score.regions]
    for side, turns in (("reference", score.reference), ("hypothesis", score.hypothesis)):
        intervals += [(turn.start, turn.end, side, turn.speaker) for turn in turns]
    return sorted(
        event
        for start, end, side, name in intervals
        for event in ((start, 1, side, name), (end, -1, side, name))
    )


def _count(
    start: float, end: float, there: set[str], found: set[str], mapping: dict[str, str]
) -> ErrorInterval:
    """Count the errors while the speakers `there` talk and the speakers `found` are said to."""
    right = sum(mapping.get(speaker) in there for speaker in found)
    return ErrorInterval(
        start,
        end,
        miss=max(0, len(there) - len(found)),
        false_alarm=max(0, len(found) - len(there)),
        confusion=min(len(there), len(found)) - right,
    )
