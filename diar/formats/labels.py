"""Turns for audio editors: a label track for Audacity, a TextGrid for Praat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from diar.formats.speech_time import by_speaker
from diar.letters import one_line
from diar.records import Turn

LABELS_NAME = "labels.txt"
TEXTGRID_NAME = "turns.TextGrid"
_DECIMALS = 3
_WRITTEN = 9


def format_labels(turns: Sequence[Turn]) -> str:
    """Format Audacity's label track: start, end and speaker of each turn, separated by tabs."""
    lines = [
        f"{turn.start:.6f}\t{turn.end:.6f}\t{one_line(turn.speaker)}\n"
        for turn in sorted(turns, key=lambda turn: (turn.start, turn.end))
        if turn.end > turn.start
    ]
    return "".join(lines)


def format_textgrid(turns: Sequence[Turn], duration: float) -> str:
    """Format Praat's TextGrid, long text form: one interval tier a speaker, from 0 to the end without gaps.

    Spoken intervals have the speaker's name as text, the others no text. Without a speaker there is one empty
    tier, because Praat has no TextGrid without tiers. Times are rounded to milliseconds, except `duration`.
    """
    spoken = {speaker: np.round(own, _DECIMALS).tolist() for speaker, own in by_speaker(turns).items()}
    return format_tiers(
        {speaker: [(start, end, speaker) for start, end in own] for speaker, own in spoken.items()}, duration
    )


def format_tiers(tiers: Mapping[str, Sequence[tuple[float, float, str]]], duration: float) -> str:
    """Format a TextGrid of named tiers, each of (start, end, text) that ascend and do not overlap."""
    end = round(max([duration, *(own[-1][1] for own in tiers.values() if own)]), _WRITTEN)
    lines = [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        "xmin = 0",
        f"xmax = {_number(end)}",
        "tiers? <exists>",
        f"size = {max(1, len(tiers))}",
        "item []:",
    ]
    named = [(name, _intervals(own, end)) for name, own in tiers.items()]
    for number, (name, intervals) in enumerate(named or [("no speech", [(0.0, end, "")])], start=1):
        lines += _tier(number, name, intervals)
    return "\n".join(lines) + "\n"


def _intervals(own: Sequence[tuple[float, float, str]], end: float) -> list[tuple[float, float, str]]:
    """Return (start, end, text) that tile 0 to `end`; intervals that round to nothing are left out."""
    intervals, position = [], 0.0
    for start, stop, text in own:
        if start > position:
            intervals.append((position, start, ""))
            position = start
        if stop > position:
            intervals.append((position, stop, text))
            position = stop
    if end > position:
        intervals.append((position, end, ""))
    return intervals


def _tier(number: int, name: str, intervals: list[tuple[float, float, str]]) -> list[str]:
    lines = [
        f"    item [{number}]:",
        '        class = "IntervalTier"',
        f"        name = {_quoted(name)}",
        "        xmin = 0",
        f"        xmax = {_number(intervals[-1][1])}",
        f"        intervals: size = {len(intervals)}",
    ]
    for i, (start, end, text) in enumerate(intervals, start=1):
        lines += [
            f"        intervals [{i}]:",
            f"            xmin = {_number(start)}",
            f"            xmax = {_number(end)}",
            f"            text = {_quoted(text)}",
        ]
    return lines


def _number(seconds: float) -> str:
    return f"{seconds:.{_WRITTEN}f}".rstrip("0").rstrip(".")


def _quoted(text: str) -> str:
    return '"' + one_line(text).replace('"', '""') + '"'
