"""The answer on the terminal: who speaks when, in a few lines, and where the files lie."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from diar.formats import spreadsheet
from diar.formats.rttm import ALL_NAME
from diar.formats.turns_json import TURNS_NAME, RecordingTurns, SpeakerInRecording, read_recording_turns
from diar.jobs.detect.turns_summary import TurnsSummary
from diar.outputs.speakers_table import SPEAKERS_CSV
from diar.outputs.turns import RECORDINGS_FOLDER, RECORDINGS_NAME
from diar.plots.time_axis import amount, clock
from diar.records import Turn

_MOST_RECORDINGS = 3  # that are told one by one
_MOST_PEOPLE = 10
_MOST_TURNS = 3  # of a speaker


def describe_result(output_dir: str, summary: TurnsSummary) -> str:
    """Return the answer for what lies in `output_dir`."""
    with (Path(output_dir) / RECORDINGS_NAME).open(newline="", encoding="utf-8") as file:
        rows = [row for row in spreadsheet.rows(file) if row["status"] == "ok"]
    if summary.diarized > _MOST_RECORDINGS:
        lines = [summary.summary(), *_people(output_dir)]
        places = [f"{output_dir}: {RECORDINGS_FOLDER}/, {ALL_NAME}, {RECORDINGS_NAME}, {SPEAKERS_CSV}"]
    else:
        read = [read_recording_turns(Path(output_dir, row["folder"], TURNS_NAME)) for row in rows]
        lines = [line for result in read for line in _recording(result)]
        lines += summary.remarks()
        places = [_folder(Path(output_dir, row["folder"])) for row in rows]
    return "\n".join([*lines, *(f"-> {place}" for place in places or [output_dir])])


def _folder(folder: Path) -> str:
    names = sorted(path.name + "/" * path.is_dir() for path in folder.iterdir() if path.name[0] != ".")
    return f"{folder}: {', '.join(names)}"


def _recording(result: RecordingTurns) -> Iterator[str]:
    """Yield a line on the recording, and one on each of its speakers, those who talk most first."""
    count, overlap = len(result.speakers), result.overlap_seconds
    people = "1 speaker" if count == 1 else f"{count} speakers"
    yield (
        f"{result.recording_id}: {people} in {amount(result.duration)}, "
        f"{amount(result.speech_seconds)} of speech"
        + (f", {amount(overlap)} of it by several at once" if overlap else "")
        + (f"; estimated DER {result.quality.estimated_der:.0%}" if result.quality else "")
    )
    talked = sum(speaker.speech_seconds for speaker in result.speakers)
    width = max(len(speaker.name) for speaker in result.speakers)
    for speaker in sorted(result.speakers, key=lambda speaker: -speaker.speech_seconds):
        own = [turn for turn in result.turns if turn.speaker == speaker.name]
        yield f"  {_share(speaker, width, talked)}   {_when(own)}"


def _share(speaker: SpeakerInRecording, width: int, talked: float) -> str:
    share = 100 * speaker.speech_seconds / talked
    return f"{speaker.name:{width}}  {amount(speaker.speech_seconds):>8}  {share:3.0f} %"


def _when(turns: Sequence[Turn]) -> str:
    shown = [f"{_clock(turn.start)}\u2013{_clock(turn.end)}" for turn in islice(turns, _MOST_TURNS)]
    left = len(turns) - len(shown)
    return ", ".join(shown) + (f" and {left:,} more" if left else "")


def _clock(seconds: float) -> str:
    """Format a time as `clock` does, with tenths of a second."""
    tenths = round(10 * seconds)
    return f"{clock(tenths // 10)}.{tenths % 10}"


def _people(output_dir: str) -> Iterator[str]:
    """Yield a line on each of those who talk most in the archive."""
    with (Path(output_dir) / SPEAKERS_CSV).open(newline="", encoding="utf-8") as file:
        rows = list(spreadsheet.rows(file))
    talked = sum(float(row["speech_seconds"]) for row in rows)
    width = max((len(row["name"]) for row in rows[:_MOST_PEOPLE]), default=0)
    for row in rows[:_MOST_PEOPLE]:
        seconds, count = float(row["speech_seconds"]), int(row["num_recordings"])
        where = "1 recording" if count == 1 else f"{count:,} recordings"
        yield f"  {row['name']:{width}}  {amount(seconds):>8}  {100 * seconds / talked:3.0f} %   in {where}"
    if len(rows) > _MOST_PEOPLE:
        yield f"  … and {len(rows) - _MOST_PEOPLE:,} more: {SPEAKERS_CSV}"
