"""Echo cancellation of two-channel calls: what it takes away, turns and words, in one Markdown table.

    python benchmarks/words_synthesis.py SETS --kokoro ENV/bin/python --sentences SENTENCES
    python benchmarks/echo.py --sentences SENTENCES --work WORK [--only harbour,train] [--echo -20 -10]

Conversations of two of words_synthesis.py, with overlap: a side a channel. The first channel also holds the
second, `--echo` dB below it, through a room: a delay of 10 to 60 ms and a tail of 0.2 to 0.4 s; `both` lets
the second hold the first as well.

ERLE: dB of the echo over what is left of it, from the sixth second on, while the far side talks alone and
while both talk. Voice: dB of the near voice over what is changed of it while it is alone. Shift: samples that
the first channel lies behind. CPU: seconds of one core a second of the call that the canceller takes. DER:
stages 1 and 2, each channel by itself, no collar. WER: `diar words`, all words in the order of their times.
Both without and with `--aec`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile as sf
import words_synthesis as synthesis
from enhancement import TRUTH, shift
from running import call, detect, error_rate, extract
from scipy.signal import fftconvolve

from diar.enhance.echo import without_echo

RATE = synthesis.RATE
LEVELS = ("none", "-20", "-10", "both -15")
DELAY, TAIL = (0.01, 0.06), (0.2, 0.4)  # seconds
SETTLED = 5.0  # seconds until the filter has found the room
AUDIBLE = 1e-3  # of a channel's greatest power in 32 ms: somebody talks


@dataclass(frozen=True)
class Call:
    """One call: voices (2, n) and echoes (2, n) of both channels, whose sum is recorded."""

    voices: np.ndarray
    echoes: np.ndarray

    @property
    def recorded(self) -> np.ndarray:
        """Return (2, n) float32."""
        return (self.voices + self.echoes).astype(np.float32)


def make_call(voices: np.ndarray, echo: str, rng: np.random.Generator) -> Call:
    """Add echoes to voices (2, n)."""
    echoes = np.zeros_like(voices)
    if echo != "none":
        level = 10 ** (float(echo.split()[-1]) / 20)
        for channel in (0, 1) if echo.startswith("both") else (0,):
            echoes[channel] = level * fftconvolve(voices[1 - channel], room(rng))[: voices.shape[1]]
    return Call(voices, echoes)


def room(rng: np.random.Generator) -> np.ndarray:
    """Return the response of a room: of energy 1, it begins after a delay."""
    length = round(rng.uniform(*TAIL) * RATE)
    tail = rng.standard_normal(length) * np.exp(-6.9 * np.arange(length) / length)
    return np.append(np.zeros(round(rng.uniform(*DELAY) * RATE)), tail / np.sqrt(np.square(tail).sum()))


def lay_sides(
    lines: Sequence[synthesis.Line], sentences: Path, seed: int
) -> tuple[np.ndarray, list[synthesis.Said]]:
    """Return the voices (2, n) of a conversation of two, and what is said in it."""
    rng = np.random.default_rng([seed, 5])
    placed, said, end = synthesis.lay(lines, sentences, synthesis.OVERLAPS["overlap"], rng)
    voices = synthesis.NOISE * rng.standard_normal((2, round((end + 1) * RATE)))
    for role, first, samples in placed:
        voices[role, first : first + len(samples)] += samples
    return 0.5 / np.abs(voices).max() * voices, said


def levels(one: Call) -> tuple[list[float], int, float]:
    """Return in dB ERLE (far side alone, both) and what the near voice is worth; shift; CPU seconds."""
    began = time.process_time()
    clean = np.concatenate(list(without_echo([one.recorded], RATE)), axis=1)[0]
    spent = (time.process_time() - began) / (len(clean) / RATE)
    near, far = (talks(voice) for voice in one.voices)
    settled = np.arange(len(clean)) > SETTLED * RATE
    left = clean - one.voices[0]
    found = []
    for before, where in (
        (one.echoes[0], far & ~near),
        (one.echoes[0], far & near),
        (one.voices[0], near & ~far),
    ):
        at = where & settled
        power = np.square(before[at]).mean()
        found.append(10 * np.log10(power / np.square(left[at]).mean()) if power else np.nan)
    return found, shift(one.voices[0].astype(np.float32), clean), spent


def talks(voice: np.ndarray) -> np.ndarray:
    """Return (n,) bool: where a voice is heard, in 32 ms."""
    size = round(0.032 * RATE)
    power = np.square(voice[: len(voice) // size * size]).reshape(-1, size).mean(axis=1)
    heard = np.repeat(power > AUDIBLE * power.max(), size)
    return np.pad(heard, (0, len(voice) - len(heard)))


def write_calls(folder: Path, calls: dict[str, Call], said: dict[str, list[synthesis.Said]]) -> None:
    """Write calls as an archive with its turns and words."""
    folder.mkdir(parents=True)
    for name, one in calls.items():
        sf.write(folder / f"{name}.wav", one.recorded.T, RATE, subtype="PCM_16")
        (folder / f"{name}.rttm").write_text("".join(synthesis.rttm(f"{name}.wav", said[name])))
    items = [item for name in calls for item in synthesis.seglst(f"{name}.wav", said[name])]
    (folder / TRUTH).write_text(json.dumps(items))


def turns_and_words(folder: Path, options: Sequence[str], asr: str) -> list[float]:
    """Return DER and WER in percent of a folder of calls, with `--aec` or without."""
    work = folder.with_name(f"{folder.name}{'-aec' if options else ''}-stages")
    embeddings, result = work / "E", work / "R"
    if not (work / "done").is_file():
        shutil.rmtree(work, ignore_errors=True)
        extract(folder, embeddings, ("--device", "cpu", "--channel", "each", *options))
        detect(embeddings, result, ("--task", "turns"))
        places = ("--embeddings_dir", embeddings, "--result", result, "--device", "cpu")
        call("-m", "diar", "words", *places, "--asr", asr, *options)
        (work / "done").touch()
    told = json.loads(call("-m", "diar", "score", "words", folder / TRUTH, result, "--json"))
    return [error_rate(folder, result), 100 * float(told["pooled"]["wer"])]


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sentences", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--only", default="harbour,interview,train")
    parser.add_argument("--echo", nargs="+", default=LEVELS, metavar="DB", help=", ".join(LEVELS))
    parser.add_argument("--asr", default="whisper-tiny.en")
    parser.add_argument("--signals", action="store_true", help="neither DER nor WER: no network is needed")
    given = parser.parse_args()
    dialogues = synthesis.read_dialogues()
    sides, said = {}, {}
    for seed, name in enumerate(given.only.split(",")):
        sides[name], said[name] = lay_sides(dialogues[name], given.sentences, seed)
    titles = ("echo, dB", "ERLE", "both talk", "voice", "shift", "CPU", "DER", "with aec", "WER", "with aec")
    print(f"| {' | '.join(titles)} |\n{'|---' * len(titles)}|", flush=True)
    for echo in given.echo:
        rng = np.random.default_rng(3)
        calls = {name: make_call(voices, echo, rng) for name, voices in sides.items()}
        folder = given.work / echo.replace(" ", "")
        if not folder.is_dir():
            write_calls(folder, calls, said)
        found, shifts, cpu = zip(*map(levels, calls.values()), strict=True)
        cells = ["–" if np.isnan(level) else f"{level:.1f}" for level in np.mean(found, axis=0)]
        cells += [str(max(map(abs, shifts))), f"{np.mean(cpu):.3f}"]
        if given.signals:
            cells += ["–"] * 4
        else:
            rates = [turns_and_words(folder, options, given.asr) for options in ((), ("--aec",))]
            cells += [f"{rate:.1f}" for pair in zip(*rates, strict=True) for rate in pair]
        print(f"| {' | '.join([echo, *cells])} |", flush=True)


if __name__ == "__main__":
    main()
