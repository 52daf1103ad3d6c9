"""A labelled archive by speech synthesis: a place to try both commands, and to know the right answer."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile as sf
from tqdm import tqdm

from diar.demo.espeak import SAMPLE_RATE, speak_all
from diar.demo.sentences import SENTENCES
from diar.demo.voices import VOICES, Voice
from diar.errors import DiarError

FILES_PER_FOLDER = 50
BLOCK_JITTER = 3  # a block holds files_per_speaker ± this many files
MIN_FILES_PER_SPEAKER = 8
ODD_FILES = 2
ODD_MARGIN = 2  # files between an odd file and its block's ends: it must not look like a boundary
RATE_VARIATION = 0.05  # people do not speak twice at the same rate,
PITCH_VARIATION = 2  # at the same pitch (steps of 1.4 %)
PEAKS = (0.3, 0.9)  # or as loud: the largest sample of a file


@dataclass(frozen=True, slots=True)
class Utterance:
    """One file of the archive: what is said, by whom, and its row in truth.csv."""

    voice: Voice
    text: str
    peak: float
    block: int
    odd: bool


@dataclass(frozen=True, slots=True)
class DemoSummary:
    """What was written, and where."""

    out: Path
    files: int
    speakers: int
    blocks: int
    odd_files: int
    seconds: float

    def __str__(self) -> str:
        return (
            f"{self.files} files ({self.seconds / 60:.1f} minutes) of {self.speakers} speakers "
            f"in {self.blocks} blocks, {self.odd_files} odd files\n"
            f"audio: {self.out / 'audio'}\n"
            f"truth: {self.out / 'truth.csv'}"
        )


def synthesise_archive(
    out: Path, *, speakers: int = 6, files_per_speaker: int = 20, seed: int = 0
) -> DemoSummary:
    """Write an archive of synthetic speakers who were recorded one after the other.

    One speaker comes back for a second block, and two files lie in the block of somebody else.

    Args:
        out: gets audio/part_N/INDEX.wav (16 kHz, 16 bit, 2–5 s each, in recording order) and truth.csv
            (path below audio/, speaker, block, odd).
        speakers: number of voices, 2 to len(VOICES).
        files_per_speaker: files in a block, ± 3.
        seed: the same arguments give the same files, byte for byte.

    Raises:
        DiarError: an argument is out of range, out/audio exists, or espeak-ng is missing.
    """
    _check(out, speakers, files_per_speaker, seed)
    utterances = plan_archive(VOICES[:speakers], files_per_speaker, np.random.default_rng(seed))
    rows, num_samples = [], 0
    waveforms = speak_all([(utterance.voice, utterance.text) for utterance in utterances])
    progress = tqdm(waveforms, total=len(utterances), desc="speaking", unit="file", disable=None)
    for index, (utterance, waveform) in enumerate(zip(utterances, progress, strict=True)):
        path = Path(f"part_{index // FILES_PER_FOLDER}") / f"{index}.wav"
        file = out / "audio" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        scaled = utterance.peak / np.abs(waveform).max() * waveform
        sf.write(file, scaled, SAMPLE_RATE, subtype="PCM_16")
        rows.append((path.as_posix(), utterance.voice.name, utterance.block, int(utterance.odd)))
        num_samples += len(waveform)
    _write_truth(out / "truth.csv", rows)
    return DemoSummary(
        out=out,
        files=len(utterances),
        speakers=speakers,
        blocks=utterances[-1].block + 1,
        odd_files=sum(utterance.odd for utterance in utterances),
        seconds=num_samples / SAMPLE_RATE,
    )


def plan_archive(
    voices: Sequence[Voice], files_per_speaker: int, rng: np.random.Generator
) -> list[Utterance]:
    """Decide who says what, in recording order."""
    blocks = _order_of_blocks(voices, rng)
    blocks_with_odd = rng.choice(len(blocks), ODD_FILES, replace=False)
    sentences = _endless_sentences(rng)
    utterances = []
    for block, voice in enumerate(blocks):
        size = files_per_speaker + int(rng.integers(-BLOCK_JITTER, BLOCK_JITTER + 1))
        odd_at = int(rng.integers(ODD_MARGIN, size - ODD_MARGIN)) if block in blocks_with_odd else None
        for place in range(size):
            odd = place == odd_at
            who = _someone_else(voices, voice, rng) if odd else voice
            peak = float(rng.uniform(*PEAKS))
            utterances.append(Utterance(_vary(who, rng), next(sentences), peak, block, odd))
    return utterances


def _order_of_blocks(voices: Sequence[Voice], rng: np.random.Generator) -> list[Voice]:
    """All voices in random order; one of them, never the last, speaks again at the end."""
    order = [voices[i] for i in rng.permutation(len(voices))]
    returning = order[int(rng.integers(len(order) - 1))]
    return [*order, returning]


def _endless_sentences(rng: np.random.Generator) -> Iterator[str]:
    while True:
        for i in rng.permutation(len(SENTENCES)):
            yield SENTENCES[i]


def _someone_else(voices: Sequence[Voice], voice: Voice, rng: np.random.Generator) -> Voice:
    others = [other for other in voices if other != voice]
    return others[int(rng.integers(len(others)))]


def _vary(voice: Voice, rng: np.random.Generator) -> Voice:
    """The same speaker on another day."""
    return replace(
        voice,
        words_per_minute=round(voice.words_per_minute * rng.uniform(1 - RATE_VARIATION, 1 + RATE_VARIATION)),
        pitch=voice.pitch + int(rng.integers(-PITCH_VARIATION, PITCH_VARIATION + 1)),
    )


def _check(out: Path, speakers: int, files_per_speaker: int, seed: int) -> None:
    if not 2 <= speakers <= len(VOICES):
        raise DiarError(f"speakers is {speakers}; the demo has voices for 2 to {len(VOICES)}")
    if files_per_speaker < MIN_FILES_PER_SPEAKER:
        raise DiarError(f"files per speaker is {files_per_speaker}; give at least {MIN_FILES_PER_SPEAKER}")
    if seed < 0:
        raise DiarError(f"seed is {seed}; give 0 or more")
    if (out / "audio").exists():
        raise DiarError(
            f"{out / 'audio'} exists, and its files would mix with the new ones; name a new folder"
        )


def _write_truth(path: Path, rows: list[tuple[str, str, int, int]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "speaker", "block", "odd"])
        writer.writerows(rows)
