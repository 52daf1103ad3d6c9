"""Conversations of neural speech synthesis whose words are known: audio, RTTM, SegLST.

    python benchmarks/words_synthesis.py OUT --kokoro ENV/bin/python --sentences SENTENCES --shared ../shared
    python benchmarks/words_synthesis.py OUT --kokoro ENV/bin/python --sentences SENTENCES --held_out

writes OUT/clean and OUT/overlap: the same sentences one after the other, and with a tenth of the speech in
overlap; with --shared, also OUT/tel, OUT/room and OUT/broadcast: the conversations with overlap through
`tools/degrade.py`. Each holds a WAV and an RTTM a conversation, and `truth.seglst.json`, an item a sentence,
or as much of it as is said without a pause.

Six conversations of two to four of ten voices (words_dialogues.txt), a quarter of an hour. Voices are mixed
of the five styles that package indexes carry. Speech takes about one CPU second a second; it is made once
and kept in SENTENCES (words_voices.py says what ENV needs). With --held_out, three other conversations of
nine other voices are mixed by another seed (words_held_out.txt); with --held_out 2, by nine more voices.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import labelled_sets
import numpy as np
import soundfile as sf
from running import call
from scipy.signal import resample_poly
from words_cast import CAST, HELD_OUT_CASTS, SPEED, STYLES

RATE = 16_000
HERE = Path(__file__).resolve().parent
DIALOGUES, HELD_OUT = HERE / "words_dialogues.txt", HERE / "words_held_out.txt"
SEEDS = (7, 11, 13)  # of the dialogues, and of both casts of HELD_OUT
WITHIN = (0.25, 0.6)  # seconds between the sentences of a speaker
PAUSE = (0.1, 1.0)  # seconds between two speakers
OVERLAP = (0.3, 1.6)  # seconds that the next speaker starts early, …
OVERLAPS = {"clean": 0.0, "overlap": 0.45}  # … after this share of the lines
GAIN = (-5.0, 0.0)  # dB of a speaker
NOISE = 0.001  # standard deviation of white noise
LONGEST_PAUSE = 0.3  # seconds of silence that do not yet end a turn
AUDIBLE = 0.01  # of the loudest 10 ms


@dataclass(frozen=True)
class Line:
    """What one speaker says until another one does."""

    role: int
    voice: str
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class Said:
    """A sentence in a conversation, or as much of it as is said without a pause; in seconds."""

    speaker: str
    start: float
    end: float
    text: str


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--kokoro", type=Path, required=True, metavar="PYTHON", help="with kokoro-onnx")
    parser.add_argument("--sentences", type=Path, required=True, help="spoken sentences are kept here")
    parser.add_argument("--shared", type=Path, help="with tools/degrade.py: also degraded versions")
    parser.add_argument(
        "--held_out", type=int, nargs="?", const=1, default=0, choices=(1, 2), metavar="CAST",
        help="other conversations, mixtures and voices: one of two casts; default: the first",
    )  # fmt: skip
    options = parser.parse_args()
    make(options.out, options.kokoro, options.sentences, options.shared, options.held_out)


def make(out: Path, kokoro: Path, sentences: Path, shared: Path | None, held_out: int = 0) -> None:
    """Make what is missing below `out`."""
    dialogues = read_dialogues(held_out)
    speak(dialogues, kokoro, sentences)
    for name, overlaps in OVERLAPS.items():

        def write(folder: Path, overlaps: float = overlaps) -> None:
            write_set(folder, dialogues, sentences, overlaps, SEEDS[held_out])

        labelled_sets.make_once(out / name, write)
    if shared is not None and not (out / "tel").exists():
        call(shared / "tools/degrade.py", out / "overlap", out)
        truth = (out / "overlap/truth.seglst.json").read_bytes()
        for kind in labelled_sets.KINDS:
            (out / kind / "truth.seglst.json").write_bytes(truth)


def read_dialogues(held_out: int = 0) -> dict[str, list[Line]]:
    """Read who says what, a line's sentences apart; those held out by one of their casts."""
    file, cast = (HELD_OUT, HELD_OUT_CASTS[held_out]) if held_out else (DIALOGUES, CAST)
    found: dict[str, list[Line]] = {}
    name = ""
    for text in file.read_text(encoding="utf-8").splitlines():
        if title := re.match(r"\[(\w+): \d+\]", text):
            name = title[1]
        elif said := re.match(r"([A-Z]): (.+)", text):
            role = ord(said[1]) - ord("A")
            sentences = tuple(re.split(r"(?<=[.?!]) ", said[2].strip()))
            found.setdefault(name, []).append(Line(role, cast[name][role], sentences))
    return found


def speak(dialogues: dict[str, list[Line]], kokoro: Path, folder: Path) -> None:
    """Let every sentence be spoken that is not in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = [
        {"file": file_name(line.voice, text), "text": text, "voice": STYLES[line.voice],
         "speed": SPEED.get(line.voice, 1.0)}
        for lines in dialogues.values() for line in lines for text in line.sentences
    ]  # fmt: skip
    subprocess.run(
        [kokoro, HERE / "words_voices.py", folder], input=json.dumps(wanted), text=True, check=True
    )


def file_name(voice: str, text: str) -> str:
    """Return the file of a sentence; another voice of the same name has another file."""
    what = json.dumps([text, STYLES[voice], SPEED.get(voice, 1.0)])
    return f"{voice}-{hashlib.sha256(what.encode()).hexdigest()[:16]}.wav"


def write_set(
    folder: Path, dialogues: dict[str, list[Line]], sentences: Path, overlaps: float, seed: int
) -> None:
    """Mix and write all conversations, the same at every run."""
    folder.mkdir(parents=True)
    items: list[dict[str, Any]] = []
    for number, (name, lines) in enumerate(dialogues.items()):
        rng = np.random.default_rng([seed, number, round(100 * overlaps)])
        samples, said = mix(lines, sentences, overlaps, rng)
        sf.write(folder / f"{name}.wav", samples, RATE, subtype="PCM_16")
        (folder / f"{name}.rttm").write_text("".join(rttm(f"{name}.wav", said)))
        items += seglst(f"{name}.wav", said)
        print(f"{folder.name} {name}: {len(samples) / RATE:.0f} s, {100 * overlap_share(said):.1f} % overlap")
    (folder / "truth.seglst.json").write_text(json.dumps(items, indent=1, ensure_ascii=False))


def seglst(recording: str, said: Sequence[Said]) -> list[dict[str, Any]]:
    return [
        {"session_id": recording, "speaker": one.speaker, "start_time": round(one.start, 3),
         "end_time": round(one.end, 3), "words": one.text}
        for one in said
    ]  # fmt: skip


def mix(
    lines: Sequence[Line], sentences: Path, overlaps: float, rng: np.random.Generator
) -> tuple[np.ndarray, list[Said]]:
    """Mix the lines of a conversation; return its samples, and what is said in it."""
    placed, said, end = lay(lines, sentences, overlaps, rng)
    mixture = NOISE * rng.standard_normal(round((end + 1) * RATE))
    for _, first, samples in placed:
        mixture[first : first + len(samples)] += samples
    return (0.9 / np.abs(mixture).max() * mixture).astype(np.float32), said


def lay(
    lines: Sequence[Line], sentences: Path, overlaps: float, rng: np.random.Generator
) -> tuple[list[tuple[int, int, np.ndarray]], list[Said], float]:
    """Lay the lines of a conversation one after the other, or some of them over the end of the one before.

    Returns:
        Role, first sample and samples of each sentence; what is said when; the second at which all ends.
    """
    gains = 10 ** (rng.uniform(*GAIN, 1 + max(line.role for line in lines)) / 20)
    placed: list[tuple[int, int, np.ndarray]] = []
    said: list[Said] = []
    last_start, end, before = 0.0, rng.uniform(*PAUSE), None
    for line in lines:
        start = end + rng.uniform(*PAUSE)
        spoken = [spoken_sentence(sentences / file_name(line.voice, text)) for text in line.sentences]
        early, is_early = rng.uniform(*OVERLAP), rng.random() < overlaps
        if before not in (None, line.voice) and is_early:
            shortest = min(end - last_start, sum(map(len, spoken)) / RATE)
            start = end - min(early, 0.5 * shortest)
        last_start, before = start, line.voice
        for text, samples in zip(line.sentences, spoken, strict=True):
            placed.append((line.role, round(start * RATE), gains[line.role] * samples))
            said += [
                Said(line.voice, first, last, words)
                for words, first, last in phrases(text, audible(samples) + start)
            ]
            start += len(samples) / RATE + rng.uniform(*WITHIN)
        end = max(end, said[-1].end)
    return placed, sorted(said, key=lambda one: one.start), end


def phrases(text: str, parts: np.ndarray) -> list[tuple[str, float, float]]:
    """Return a sentence in phrases with their times, cut at the commas that are nearest to its pauses.

    Args:
        text: of the sentence.
        parts: (n, 2) seconds in which it is heard.
    """
    words, found, first = text.split(), [], 0
    letters = np.cumsum([len(word) for word in words]) / sum(map(len, words))
    heard = np.cumsum(parts[:, 1] - parts[:, 0]) / (parts[:, 1] - parts[:, 0]).sum()
    start = float(parts[0, 0])
    for number, share in enumerate(heard[:-1].tolist()):
        commas = [n for n in range(first, len(words) - 1) if words[n].endswith(",")]
        if commas:
            cut = 1 + min(commas, key=lambda n: abs(letters[n] - share))
            found.append((" ".join(words[first:cut]), start, float(parts[number, 1])))
            first, start = cut, float(parts[number + 1, 0])
    return [*found, (" ".join(words[first:]), start, float(parts[-1, 1]))]


def spoken_sentence(file: Path) -> np.ndarray:
    """Return a sentence at 16 kHz without the silence around it, all equally loud."""
    samples, rate = sf.read(file)
    samples = resample_poly(samples, RATE, rate)
    parts = audible(samples)
    samples = samples[round(parts[0, 0] * RATE) : round(parts[-1, 1] * RATE)]
    return np.asarray(0.05 / np.sqrt(np.mean(np.square(samples))) * samples)


def audible(samples: np.ndarray) -> np.ndarray:
    """Return (n, 2) seconds in which a clean sentence is heard."""
    size = RATE // 100
    frames = samples[: len(samples) // size * size].reshape(-1, size)
    level = np.sqrt(np.mean(np.square(frames), axis=1))
    heard = np.flatnonzero(level > AUDIBLE * level.max())
    apart = np.flatnonzero(np.diff(heard) > LONGEST_PAUSE * 100)
    return np.column_stack([heard[np.append(0, apart + 1)], heard[np.append(apart, -1)] + 1]) / 100


def rttm(recording: str, said: Sequence[Said]) -> Iterator[str]:
    """Yield a line a turn; what a speaker says with a pause of up to 0.3 s is one."""
    for start, end, speaker in merged(said):
        yield f"SPEAKER {recording} 1 {start:.3f} {end - start:.3f} <NA> <NA> {speaker} <NA> <NA>\n"


def merged(said: Sequence[Said]) -> list[tuple[float, float, str]]:
    found: list[tuple[float, float, str]] = []
    for speaker in sorted({one.speaker for one in said}):
        own = np.array([(one.start, one.end) for one in said if one.speaker == speaker])
        cuts = np.flatnonzero(own[1:, 0] - own[:-1, 1] > LONGEST_PAUSE)
        starts, ends = own[np.append(0, cuts + 1), 0], own[np.append(cuts, -1), 1]
        found += zip(starts.tolist(), ends.tolist(), [speaker] * len(starts), strict=True)
    return sorted(found)


def overlap_share(said: Sequence[Said]) -> float:
    """Return the share of the time with speech in which two speak."""
    grid = np.zeros(round(max(one.end for one in said) * 100) + 2, int)
    for start, end, _ in merged(said):
        grid[round(start * 100) : round(end * 100)] += 1
    return float((grid > 1).sum() / (grid > 0).sum())


if __name__ == "__main__":
    main()
