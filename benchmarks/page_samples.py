"""Made-up results for benchmarks of the page: many conversations, or one long one with words and audio."""

from __future__ import annotations

import wave
from collections.abc import Iterator, Sequence
from itertools import chain, pairwise
from pathlib import Path

import numpy as np

from diar.formats.html.words_text import WORDS_SCRIPT, words_script
from diar.formats.speech_time import measure
from diar.formats.turns_json import Clustering, RecordingTurns, describe_speakers
from diar.formats.words.document import Recogniser, RecordingWords
from diar.outputs.speakers_table import ArchiveSpeakers, SpeakerTotals
from diar.outputs.turns import ArchiveTurns, RecordingFiles, recording_folder, write_recording
from diar.records import Turn, Word

_SENTENCE = "So the next point is what we said on Monday about the budget, and who writes it down by Friday."
_WORDS = _SENTENCE.split()
_RATE = 8_000  # Hz of the long recording's audio


def conversation(number: int, turns: int, people: int) -> RecordingTurns:
    """Return a made-up recording; every fiftieth has a warning, every hundredth is silent."""
    rng = np.random.default_rng(number)
    name = f"archive of calls/year_{2000 + number % 20}/day_{number % 365:03d}/call_{number:06d}.wav"
    who = [f"person_{1 + p:04d}" for p in rng.choice(people, rng.integers(2, 6), replace=False)]
    starts = np.cumsum(rng.uniform(0.5, 6.0, 0 if number % 100 == 99 else turns))
    lengths = rng.uniform(0.4, 6.0, len(starts))
    spoken = [
        Turn(name, float(start), float(start + length), who[rng.integers(len(who))])
        for start, length in zip(starts, lengths, strict=True)
    ]
    duration = float(starts[-1]) + 10 if len(starts) else 5.0
    warnings = ["no speech found" if not len(starts) else "made up"] if number % 50 == 49 else []
    return recording(name, f"/data/{name}", duration, spoken, warnings)


def recording(
    name: str, path: str, duration: float, spoken: list[Turn], warnings: Sequence[str] = ()
) -> RecordingTurns:
    """Return a made-up recording with these turns."""
    amounts = measure(spoken)
    return RecordingTurns(
        program="diar benchmark",
        recording_id=name,
        path=path,
        duration=duration,
        speech_seconds=amounts.speech,
        overlap_seconds=amounts.overlap,
        speakers=describe_speakers(spoken, amounts, local={}, similarity={}, confidence={}),
        turns=spoken,
        exclusive=None,
        clustering=Clustering("iterative", "auto", None),
        parameters={"task": "turns"},
        thresholds={"onset": 0.5},
        model={"model": "made up"},
        warnings=list(warnings),
    )


def make_result(folder: Path, recordings: int, turns: int, people: int = 1_000, *, folders: bool) -> None:
    """Write what `task=turns` writes; with `folders`, a folder for each recording, not only the first."""
    write_archive(folder, (conversation(number, turns, people) for number in range(recordings)), folders)


def make_long(folder: Path, hours: float, words: int) -> None:
    """Write the result of one recording of so many hours, its words, and its audio, which is silence."""
    audio = folder.absolute() / "audio" / "board meeting.wav"
    result, said = long_conversation(str(audio), 3600 * hours, words)
    write_archive(folder, iter([result]), folders=True)
    (folder / recording_folder(result.recording_id) / WORDS_SCRIPT).write_bytes(words_script(said))
    audio.parent.mkdir(exist_ok=True)
    with wave.open(str(audio), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(_RATE)
        file.setnframes(round(3600 * hours * _RATE))
        for _ in range(round(60 * hours)):
            file.writeframes(bytes(2 * 60 * _RATE))


def long_conversation(path: str, seconds: float, count: int) -> tuple[RecordingTurns, RecordingWords]:
    """Return a made-up recording in which six people say `count` words, about fifteen a turn."""
    rng = np.random.default_rng(0)
    starts = np.sort(rng.uniform(0, seconds - 1, count))
    lasts = np.append(starts[1:], seconds)
    ends = np.minimum(lasts, starts + 0.4)
    speaker = np.cumsum(rng.random(count) < 1 / 15) * 7 % 6
    names = [f"person_{1 + who:04d}" for who in speaker]
    words = [
        Word(float(start), float(end), _WORDS[i % len(_WORDS)], 0.9, name)
        for i, (start, end, name) in enumerate(zip(starts, ends, names, strict=True))
    ]
    changes = [0, *(np.flatnonzero(np.diff(speaker)) + 1).tolist(), count]
    name = Path(path).name
    spoken = [
        Turn(name, words[first].start, words[end - 1].end, names[first]) for first, end in pairwise(changes)
    ]
    said = RecordingWords("made up", name, path, seconds, "en", 1.0, Recogniser("made up", "made up"), words)
    return recording(name, path, seconds, spoken), said


def write_archive(folder: Path, results: Iterator[RecordingTurns], folders: bool) -> None:
    """Write what `task=turns` writes; with `folders`, a folder for each recording, not only the first."""
    totals, first = SpeakerTotals(), next(results)
    with ArchiveTurns(str(folder), [first.recording_id], exclusive=False) as archive:
        for number, result in enumerate(chain([first], results)):
            if folders or number == 0:
                write_recording(str(folder), result, RecordingFiles(labels=True, timeline=False))
            archive.add(result)
            totals.add(result)
        names = sorted(totals.seconds)
        known, centroid = np.zeros(len(names), bool), np.zeros((len(names), 4), np.float32)
        archive.write_speakers(ArchiveSpeakers.of(totals, names, names, known, centroid), {})
