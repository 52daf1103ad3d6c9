"""Words where nobody speaks: one command, one Markdown table; every word is an error.

    python benchmarks/words_hallucinations.py --shared ../shared
    python benchmarks/words_hallucinations.py --shared ../shared --minutes 2 --plain

Sounds of --minutes each: digital silence, the faint noise of an open line, white noise, mains hum, a street
(rumble, passing cars, horns), hold music (`tools/degrade.py`), the same by telephone. They go through the
whole chain: stage 1, `diar detect --task turns`, `diar words`. With --plain, the recogniser also hears them
without our segmentation, in pieces of half a minute: what would have been written.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import labelled_sets
import numpy as np
import soundfile as sf
from running import ROOT, detect, extract, timed
from scipy.signal import butter, sosfilt

from diar.store.reader import done_shards
from diar.store.words import WordsLayout, read_words

RATE = 16_000
PIECE = 30 * RATE
Sound = Callable[[int, np.random.Generator], np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--asr", nargs="+", default=["whisper-tiny.en", "whisper-base"], metavar="NAME")
    parser.add_argument("--plain", action="store_true", help="also without our segmentation")
    parser.add_argument("--work", type=Path, help="keep sounds and embeddings here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = (options.work or Path(temporary)).resolve()
        labelled_sets.make_once(
            work / "sounds", lambda folder: write_sounds(folder, options.shared.resolve(), options.minutes)
        )
        labelled_sets.make_once(work / "stages", lambda folder: run_stages(work / "sounds", folder))
        print_table(work, options.asr, options.plain)


def print_table(work: Path, names: list[str], plain: bool) -> None:
    columns = ["sound", "minutes", "speech found, s"]
    for asr in names:
        columns += [f"words, {asr}", "dropped"] + ([f"words, {asr} alone"] if plain else [])
    print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|", flush=True)
    chains = {asr: chain(work, asr) for asr in names}
    for file in sorted((work / "sounds").glob("*.wav")):
        speech = chains[names[0]][file.name][2]
        row = [file.stem, f"{sf.info(file).duration / 60:.0f}", f"{speech:.1f}"]
        for asr in names:
            words, dropped, _ = chains[asr][file.name]
            row += [str(words), str(dropped)] + ([str(alone(file, asr))] if plain else [])
        print(f"| {' | '.join(row)} |", flush=True)


def write_sounds(folder: Path, shared: Path, minutes: float) -> None:
    folder.mkdir(parents=True)
    degrade = labelled_sets.load_degrade(shared)
    sounds: dict[str, Sound] = {
        "silence": lambda n, rng: np.zeros(n),
        "open line": lambda n, rng: 0.0005 * rng.standard_normal(n),
        "white noise": lambda n, rng: 0.05 * rng.standard_normal(n),
        "hum": hum,
        "street": street,
        "hold music": lambda n, rng: level(degrade.music(n, rng)),
        "hold music, telephone": lambda n, rng: degrade.tel(level(degrade.music(n, rng)), rng)[0],
    }
    for number, (name, make) in enumerate(sounds.items()):
        samples = make(round(60 * minutes * RATE), np.random.default_rng([3, number]))
        rate = RATE // 2 if name.endswith("telephone") else RATE
        sf.write(folder / f"{name}.wav", samples.astype(np.float32), rate, subtype="PCM_16")


def level(samples: np.ndarray) -> np.ndarray:
    """Return the samples as loud as speech is."""
    return np.asarray(0.06 / np.sqrt(np.mean(np.square(samples))) * samples)


def hum(count: int, rng: np.random.Generator) -> np.ndarray:
    """Return mains hum with its harmonics, and a little noise."""
    time = np.arange(count) / RATE
    tones = sum(np.sin(2 * np.pi * 50 * k * time + rng.uniform(0, 6)) / k for k in (1, 2, 3, 4, 6, 9))
    return level(np.asarray(tones) + 0.02 * rng.standard_normal(count))


def street(count: int, rng: np.random.Generator) -> np.ndarray:
    """Return rumble, cars that pass every few seconds, and a horn now and then."""
    white = rng.standard_normal(count)
    rumble = sosfilt(butter(2, 200, fs=RATE, output="sos"), white)
    tyres = sosfilt(butter(2, [300, 2500], "bandpass", fs=RATE, output="sos"), rng.standard_normal(count))
    cars, horns, time = np.zeros(count), np.zeros(count), np.arange(count) / RATE
    for start in np.cumsum(rng.exponential(6.0, 1 + count // (2 * RATE))):
        cars += rng.uniform(0.5, 2) * np.exp(-(((time - start) / rng.uniform(0.8, 2.5)) ** 2))
        if rng.random() < 0.15:
            on = (time > start) & (time < start + rng.uniform(0.2, 0.7))
            horns[on] += sum(np.sin(2 * np.pi * pitch * time[on]) for pitch in (410, 512, 820))
    return level(rumble + 0.5 * cars * tyres + 0.3 * horns)


def run_stages(audio: Path, folder: Path) -> None:
    folder.mkdir(parents=True)
    extract(audio, folder / "E")
    detect(folder / "E", folder / "R", ["--task", "turns"])


def chain(work: Path, asr: str) -> dict[str, tuple[int, int, float]]:
    """Run `diar words`; return words, dropped words and recognised seconds of each sound."""
    folder = work / Path(asr).name
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(work / "stages", folder, symlinks=True)
    files = ("--embeddings_dir", folder / "E", "--result", folder / "R")
    timed("-m", "diar", "words", *files, "--asr", asr, "--language", "en")
    layout = WordsLayout(str(folder / "E"))
    return {
        recording: (len(words), told.outside_speech + told.repeated, told.seconds)
        for shard in done_shards(layout)
        for recording, (told, words) in read_words(layout, shard).items()
    }


def alone(file: Path, asr: str) -> int:
    """Return how many words the recogniser hears in a whole file."""
    from diar.asr.open import open_recogniser

    recogniser = open_recogniser(asr)
    return sum(len(recogniser.recognise([piece], "en")[0]) for piece in pieces(file))


def pieces(file: Path) -> Iterator[np.ndarray]:
    samples, rate = sf.read(file, dtype="float32")
    if rate != RATE:
        samples = np.repeat(samples, RATE // rate)
    for start in range(0, len(samples), PIECE):
        yield samples[start : start + PIECE]


if __name__ == "__main__":
    main()
