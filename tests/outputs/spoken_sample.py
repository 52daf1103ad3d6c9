"""Results with words and audio, as `task=turns` and `diar words` write them, of any length and at once."""

import wave
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from diar.formats.html.words_text import WORDS_SCRIPT, words_script
from diar.formats.speech_time import measure
from diar.formats.turns_json import Clustering, RecordingTurns, describe_speakers
from diar.formats.words.document import Recogniser, RecordingWords
from diar.outputs.speakers_table import ArchiveSpeakers, SpeakerTotals
from diar.outputs.turns import ArchiveTurns, RecordingFiles, recording_folder, write_recording
from diar.records import Turn, Word

RATE = 8_000
HOSTILE = "<img src=x onerror=alert(1)>"


def talk(name: str, said: Sequence[tuple[float, float, str, str]], seconds: float) -> list[Word]:
    """Words of (start, end, speaker, text), evenly within their turns."""
    words = []
    for start, end, speaker, text in said:
        parts = text.split()
        step = (end - start) / len(parts)
        words += [
            Word(start + step * i, start + step * (i + 0.9), part, 0.9, speaker)
            for i, part in enumerate(parts)
        ]
    return words


def write_result(
    root: Path,
    talks: dict[str, tuple[list[tuple[float, float, str, str]], float]],
    audio: bool = True,
    offset: float = 0.0,
) -> None:
    """Write turns, words and audio of recordings: (start, end, speaker, text) of each turn, and seconds.

    Each is a part of its file that begins at `offset`.
    """
    totals = SpeakerTotals()
    with ArchiveTurns(str(root), list(talks), exclusive=False) as archive:
        for name, (said, seconds) in talks.items():
            path = root.resolve() / "audio" / name
            turns = [Turn(name, start, end, speaker) for start, end, speaker, _ in said]
            result = replace(turns_of(name, str(path), seconds, turns), offset=offset)
            write_recording(str(root), result, RecordingFiles(timeline=False))
            archive.add(result)
            totals.add(result)
            words = talk(name, said, seconds)
            made = Recogniser("made up", "made up")
            document = RecordingWords("diar 0", name, str(path), seconds, "en", 1.0, made, words)
            script = root / recording_folder(name) / WORDS_SCRIPT
            if words:
                script.write_bytes(words_script(document))
            if audio:
                write_tone(path, offset + seconds + 1)
        names = sorted(totals.seconds)
        known, centroid = np.zeros(len(names), bool), np.zeros((len(names), 4), np.float32)
        ids = [f"person_{number:04d}" for number in range(1, len(names) + 1)]
        archive.write_speakers(ArchiveSpeakers.of(totals, ids, names, known, centroid), {})


def turns_of(name: str, path: str, seconds: float, turns: list[Turn]) -> RecordingTurns:
    amounts = measure(turns)
    return RecordingTurns(
        program="diar 0",
        recording_id=name,
        path=path,
        duration=seconds,
        speech_seconds=amounts.speech,
        overlap_seconds=amounts.overlap,
        speakers=describe_speakers(turns, amounts, local={}, similarity={}, confidence={}),
        turns=turns,
        exclusive=None,
        clustering=Clustering("iterative", "auto", None),
        parameters={},
        thresholds={},
        model={"model": "made up"},
    )


def write_tone(path: Path, seconds: float) -> None:
    """Write a WAV of a quiet tone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tone = (300 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)).astype("<i2").tobytes()
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        for _ in range(round(seconds)):
            file.writeframes(tone)
