"""Where in a recording the errors lie that its amounts count."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from diar.score.recording import RecordingScore


@dataclass(frozen=True)
class ErrorSpan:
    """A stretch, in seconds, with the number of speakers missed, falsely found and confused in it."""

    start: float
    end: float
    miss: int
    false_alarm: int
    confusion: int


def error_spans(score: RecordingScore) -> list[ErrorSpan]:
    """The stretches with an error, ascending; times their numbers they sum to the recording's amounts."""
    talking: dict[str, Counter[str]] = {side: Counter() for side in ("region", "reference", "hypothesis")}
    spans: list[ErrorSpan] = []
    before = 0.0
    for time, step, side, name in _events(score):
        if time > before and talking["region"]:
            span = _count(before, time, set(talking["reference"]), set(talking["hypothesis"]), score.mapping)
            if span.miss or span.false_alarm or span.confusion:
                spans.append(span)
        before = time
        talking[side][name] += step
        if not talking[side][name]:
            del talking[side][name]
    return spans


def _events(score: RecordingScore) -> list[tuple[float, int, str, str]]:
    """Starts (+1) and ends (-1, first where both fall together) of regions and turns."""
    stretches = [(start, end, "region", "") for start, end in score.regions]
    for side, turns in (("reference", score.reference), ("hypothesis", score.hypothesis)):
        stretches += [(turn.start, turn.end, side, turn.speaker) for turn in turns]
    return sorted(
        event
        for start, end, side, name in stretches
        for event in ((start, 1, side, name), (end, -1, side, name))
    )


def _count(start: float, end: float, there: set[str], found: set[str], mapping: dict[str, str]) -> ErrorSpan:
    right = sum(mapping.get(speaker) in there for speaker in found)
    return ErrorSpan(
        start,
        end,
        miss=max(0, len(there) - len(found)),
        false_alarm=max(0, len(found) - len(there)),
        confusion=min(len(there), len(found)) - right,
    )
