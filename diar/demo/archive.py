"""A labelled archive by speech synthesis, to try both stages where the right answer is known."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import soundfile as sf
from tqdm import tqdm

from diar.demo.conversations import (
    SPEAKERS,
    Line,
    SpokenText,
    SpokenTurn,
    audible_parts,
    mix,
    plan_conversation,
    turns_of,
)
from diar.demo.espeak import SAMPLE_RATE, speak_all
from diar.demo.sentences import SENTENCES, endless
from diar.demo.voices import VOICES, Voice
from diar.errors import DiarError
from diar.options.terminal import progress_stream
from diar.wording import counted, duration

FILES_PER_FOLDER = 50
BLOCK_JITTER = 3  # a block holds files_per_speaker ± this many files
MIN_FILES_PER_SPEAKER = 8
ODD_FILES = 2
ODD_MARGIN = 2  # least files from an odd file to its block's ends, so that it does not look like a boundary
PEAKS = (0.3, 0.9)  # of a file's samples, as people are not always equally loud
WORDS_TRUTH = "truth.seglst.json"
SEVERAL = "several"  # speaker of a conversation in truth.csv


@dataclass(frozen=True, slots=True)
class Utterance:
    """One file of a block: who says what, and its row in truth.csv."""

    voice: Voice
    text: str
    peak: float
    block: int
    odd: bool


@dataclass(frozen=True, slots=True)
class Conversation:
    """A file inside a block, placed behind the utterance of that number."""

    behind: int
    lines: list[Line]


@dataclass(frozen=True, slots=True)
class LabelledFile:
    """A file of the archive: its audio, its row in truth.csv, its turns in truth.rttm, and its texts."""

    path: str
    waveform: np.ndarray
    speaker: str
    block: int
    odd: bool
    turns: list[SpokenTurn]
    texts: list[SpokenText]


@dataclass(frozen=True, slots=True)
class DemoSummary:
    """What was written, and where."""

    out: Path
    files: int
    speakers: int
    blocks: int
    odd_files: int
    conversations: int
    seconds: float

    def __str__(self) -> str:
        return (
            f"{counted(self.files, 'file')} ({duration(self.seconds)}) of "
            f"{counted(self.speakers, 'speaker')} in {counted(self.blocks, 'block')}, "
            f"{counted(self.odd_files, 'odd file')} ({counted(self.conversations, 'conversation')})\n"
            f"audio: {self.out / 'audio'}\n"
            f"truth: {self.out / 'truth.csv'}, truth.rttm, {WORDS_TRUTH}"
        )


def synthesise_archive(
    out: Path,
    *,
    speakers: int = 6,
    files_per_speaker: int = 20,
    conversations: int | None = None,
    seed: int = 0,
) -> DemoSummary:
    """Write an archive of synthetic speakers who were recorded one after the other.

    One speaker has a second block, and two files lie in the block of another speaker. Conversations lie
    inside other blocks; the block's speaker does not take part in them.

    Args:
        out: gets audio/part_N/INDEX.wav (16 kHz, 16 bit, 2–5 s each, in recording order),
            audio/part_N/INDEX_conversation.wav (60–90 s, behind INDEX.wav), truth.csv (path below audio/,
            speaker, block, odd), truth.rttm (who is heard when, in steps of 10 ms) and truth.seglst.json
            (who says what; SegLST).
        speakers: number of voices, 2 to len(VOICES).
        files_per_speaker: files in a block, ± 3.
        conversations: of two, three and four speakers; default 3, with fewer than four speakers one less
            than there are speakers.
        seed: the same arguments give the same files, byte for byte.

    Raises:
        DiarError: an argument is out of range, out/audio exists, or espeak-ng is missing.
    """
    _check(out, speakers, files_per_speaker, seed)
    count = _number_of_conversations(conversations, speakers)
    utterances = plan_archive(VOICES[:speakers], files_per_speaker, np.random.default_rng(seed))
    rng = np.random.default_rng([seed, 1])  # another one, so that conversations do not change the rest
    talks = plan_conversations(utterances, speakers, count, rng)
    files = list(_speak(utterances, talks, rng))
    _write_audio(out / "audio", files)
    write_truth(out / "truth.csv", [(one.path, one.speaker, one.block, one.odd) for one in files])
    _write_rttm(out / "truth.rttm", files)
    _write_seglst(out / WORDS_TRUTH, files)
    return DemoSummary(
        out=out,
        files=len(files),
        speakers=speakers,
        blocks=utterances[-1].block + 1,
        odd_files=sum(file.odd for file in files),
        conversations=count,
        seconds=sum(len(file.waveform) for file in files) / SAMPLE_RATE,
    )


def plan_archive(
    voices: Sequence[Voice], files_per_speaker: int, rng: np.random.Generator
) -> list[Utterance]:
    """Decide who says what, in recording order."""
    blocks = _order_of_blocks(voices, rng)
    blocks_with_odd = rng.choice(len(blocks), ODD_FILES, replace=False)
    sentences = endless(SENTENCES, rng)
    utterances = []
    for block, voice in enumerate(blocks):
        size = files_per_speaker + int(rng.integers(-BLOCK_JITTER, BLOCK_JITTER + 1))
        odd_at = int(rng.integers(ODD_MARGIN, size - ODD_MARGIN)) if block in blocks_with_odd else None
        for place in range(size):
            odd = place == odd_at
            who = _someone_else(voices, voice, rng) if odd else voice
            peak = float(rng.uniform(*PEAKS))
            utterances.append(Utterance(who.on_another_day(rng), next(sentences), peak, block, odd))
    return utterances


def _order_of_blocks(voices: Sequence[Voice], rng: np.random.Generator) -> list[Voice]:
    """Return all voices in random order, and at the end one of them again, but not the last."""
    order = [voices[i] for i in rng.permutation(len(voices))]
    returning = order[int(rng.integers(len(order) - 1))]
    return [*order, returning]


def _someone_else(voices: Sequence[Voice], voice: Voice, rng: np.random.Generator) -> Voice:
    others = [other for other in voices if other != voice]
    return others[int(rng.integers(len(others)))]


def plan_conversations(
    utterances: Sequence[Utterance], speakers: int, count: int, rng: np.random.Generator
) -> list[Conversation]:
    """Decide who says what in `count` conversations, and where in the archive they lie, in its order.

    Each lies in a block without odd file, away from its ends. Its speakers are one guest, a voice that is
    nowhere else, and voices of the archive. The block's own voice does not take part, as the file would be
    less odd. Whispering voices do not take part, as nothing tells them from a voice that talks at the same
    time. Without guests, two conversations of the same people would resemble each other like two files of one
    voice. If the archive has too few voices, there are more guests; if it has all voices, there are none.
    """
    numbered = groupby(enumerate(utterances), key=lambda pair: pair[1].block)
    blocks = [list(members) for _, members in numbered]
    free = [block for block, members in enumerate(blocks) if not any(u.odd for _, u in members)]
    guests = list(VOICES[speakers:])
    conversations = []
    for size, place in zip(SPEAKERS, sorted(rng.choice(len(free), count, replace=False)), strict=False):
        members = blocks[free[place]]
        behind, owner = members[int(rng.integers(ODD_MARGIN - 1, len(members) - ODD_MARGIN))]
        people = [v for v in VOICES[:speakers] if v.name != owner.voice.name and not v.whispers]
        chosen = [people[i] for i in rng.permutation(len(people))[: size - bool(guests)]]
        while len(chosen) < size:
            chosen.append(guests.pop(0))
        conversations.append(Conversation(behind, plan_conversation(chosen, rng)))
    return conversations


def _speak(
    utterances: Sequence[Utterance], conversations: Sequence[Conversation], rng: np.random.Generator
) -> Iterator[LabelledFile]:
    """Synthesise all files, in the order of the archive."""
    texts = [(utterance.voice, utterance.text) for utterance in utterances]
    texts += [(line.voice, line.text) for conversation in conversations for line in conversation.lines]
    progress = tqdm(
        speak_all(texts),
        total=len(texts),
        desc="speaking",
        unit="text",
        disable=None,
        file=progress_stream(),
    )
    spoken = list(progress)
    rest = iter(spoken[len(utterances) :])
    mixed = {talk.behind: mix(talk.lines, [next(rest) for _ in talk.lines], rng) for talk in conversations}
    for index, (utterance, waveform) in enumerate(zip(utterances, spoken, strict=False)):
        voice, block = utterance.voice, utterance.block
        name = f"part_{index // FILES_PER_FOLDER}/{index}"
        scaled = utterance.peak / np.abs(waveform).max() * waveform
        turns = turns_of(audible_parts(waveform), voice)
        text = SpokenText(0.0, len(waveform) / SAMPLE_RATE, voice.name, utterance.text)
        yield LabelledFile(f"{name}.wav", scaled, voice.name, block, utterance.odd, turns, [text])
        if index in mixed:
            one = mixed[index]
            path = f"{name}_conversation.wav"
            yield LabelledFile(path, one.waveform, SEVERAL, block, True, one.turns, one.texts)


def _check(out: Path, speakers: int, files_per_speaker: int, seed: int) -> None:
    if not 2 <= speakers <= len(VOICES):
        raise DiarError(f"`speakers={speakers}`: the demo has voices for 2 to {len(VOICES)}")
    if files_per_speaker < MIN_FILES_PER_SPEAKER:
        raise DiarError(f"`files={files_per_speaker}`: a block needs at least {MIN_FILES_PER_SPEAKER}")
    if seed < 0:
        raise DiarError(f"`seed={seed}`: 0 or more is needed")
    if (out / "audio").exists():
        raise DiarError(
            f"{out / 'audio'} exists, and its files would mix with the new ones; name a new folder"
        )


def _number_of_conversations(wanted: int | None, speakers: int) -> int:
    most = min(len(SPEAKERS), speakers + 1 - ODD_FILES)  # at most one in each block without an odd file
    if wanted is None:
        return most
    if not 0 <= wanted <= most:
        raise DiarError(f"`conversations={wanted}`: with {speakers} speakers, 0 to {most} are possible")
    return wanted


def _write_audio(folder: Path, files: Sequence[LabelledFile]) -> None:
    for file in files:
        target = folder / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        sf.write(target, file.waveform, SAMPLE_RATE, subtype="PCM_16")


def write_truth(path: Path, rows: Iterable[tuple[str, str, int, bool]]) -> None:
    """Write path, speaker, block and odd of each file, as `diar score boundaries` reads them."""
    with path.open("w", newline="", encoding="utf-8") as table:
        writer = csv.writer(table)
        writer.writerow(["path", "speaker", "block", "odd"])
        writer.writerows((name, speaker, block, int(odd)) for name, speaker, block, odd in rows)


def _write_rttm(path: Path, files: Sequence[LabelledFile]) -> None:
    with path.open("w", newline="", encoding="utf-8") as rttm:
        for file in files:
            for turn in file.turns:
                times = f"{turn.start:.3f} {turn.end - turn.start:.3f}"
                rttm.write(f"SPEAKER {file.path} 1 {times} <NA> <NA> {turn.speaker} <NA> <NA>\n")


def _write_seglst(path: Path, files: Sequence[LabelledFile]) -> None:
    items = [
        {
            "session_id": file.path,
            "speaker": text.speaker,
            "start_time": round(text.start, 3),
            "end_time": round(text.end, 3),
            "words": text.text,
        }
        for file in files
        for text in file.texts
    ]
    path.write_text(json.dumps(items, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
