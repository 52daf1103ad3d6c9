"""Two-channel calls: turns of both sides with `--channel auto`, `each` and `mix`, in one table.

    python benchmarks/calls.py --shared ../shared
    python benchmarks/calls.py --shared ../shared --seconds 300 --seeds 1 2 3

Each side of a conversation of `tools/simulate_conversations.py` gets a channel of its own, with noise at
-60 dB and crosstalk of the other side at -25 dB. There are these calls: both sides equally loud; the second
side 20 dB below the first; both of them as telephone audio (300 to 3400 Hz, 8 kHz, µ-law); two people on the
second side. DER has collar 0 and counts overlap: of all turns, and of each channel (`turns.channelN.rttm`)
against its side.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf
from measure import ROOT
from scipy.signal import butter, resample_poly, sosfilt

from diar.formats.rttm import read_rttm, write_rttm
from diar.outputs.turns import recording_folder
from diar.records import MIXED, Turn
from diar.score.der import DiarizationScore, score_turns

RATE = 16_000
CROSSTALK, NOISE = 10 ** (-25 / 20), 10 ** (-60 / 20)
# kind → people on the second side, its level in dB, telephone
KINDS = {
    "equal": (1, 0, False),
    "second -20 dB": (1, -20, False),
    "telephone": (1, 0, True),
    "telephone, second -20 dB": (1, -20, True),
    "two on the second side": (2, 0, False),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--seconds", type=float, default=120.0, help="of a call [120]")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1], help="a call of each kind for each [1]")
    parser.add_argument("--modes", nargs="+", default=["auto", "each", "mix"], help="of --channel")
    parser.add_argument("--work", type=Path, help="keep calls, embeddings and results here")
    parser.add_argument("--options", nargs=argparse.REMAINDER, default=[], help="for the extraction")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = options.work or Path(temporary)
        archive = work / "calls"
        for kind, (people, level, telephone) in KINDS.items():
            for seed in options.seeds:
                path = archive / kind / f"{seed}.wav"
                write_call(path, options.shared, options.seconds, seed, people, level, telephone)
        print("| --channel | call | read | DER % | miss | false alarm | confusion | DER % channel 0 "
              "| channel 1 | people found / there |")  # fmt: skip
        print("|---|---|---|---|---|---|---|---|---|---|")
        for mode in options.modes:
            for row in measure(archive, work / mode, mode, options.options):
                print("| " + " | ".join([mode, *row]) + " |", flush=True)


def write_call(
    path: Path, shared: Path, seconds: float, seed: int, people: int, level: float, telephone: bool
) -> None:
    """Write one call, its turns as RTTM, and those of each channel."""
    simulator = load_simulator(shared)
    speakers = simulator.load_speakers()

    def render(keep: list[str] | None) -> tuple[np.ndarray, list[tuple[float, float, str]]]:
        """Return the same conversation with the voices of `keep` alone; None = all."""
        heard = {
            name: [(wave if keep is None or name in keep else 0 * wave, speech) for wave, speech in own]
            for name, own in speakers.items()
        }
        rng = np.random.default_rng(seed)
        found: tuple[np.ndarray, list[tuple[float, float, str]]]
        found = simulator.simulate(heard, 1 + people, seconds, rng, noise=0.0)
        return found

    turns = render(None)[1]
    names = list(dict.fromkeys(name for _, _, name in turns))
    sides = [render(names[:1])[0], render(names[1:])[0] * 10 ** (level / 20)]
    channels = np.stack([sides[0] + CROSSTALK * sides[1], sides[1] + CROSSTALK * sides[0]])
    channels *= 0.7
    channels += NOISE * np.random.default_rng(seed).standard_normal(channels.shape)
    path.parent.mkdir(parents=True, exist_ok=True)
    rate = 8_000 if telephone else RATE
    sf.write(path, (as_telephone(channels) if telephone else channels).T, rate, subtype="PCM_16")
    told = [Turn(path.stem, s, e, name, int(name != names[0])) for s, e, name in turns]
    write_rttm(path.with_suffix(".rttm"), told)
    for channel in (0, 1):
        own = [turn for turn in told if turn.channel == channel]
        write_rttm(path.with_suffix(f".channel{channel}.rttm"), own)


def as_telephone(channels: np.ndarray) -> np.ndarray:
    """Make telephone audio of samples at 16 kHz: 300 to 3400 Hz, 8 kHz, µ-law and back, the level kept."""
    band = sosfilt(butter(6, [300, 3400], "bandpass", fs=RATE, output="sos"), channels, axis=1)
    samples = np.clip(resample_poly(band, 1, 2, axis=1), -1, 1)
    compressed = np.sign(samples) * np.log1p(255 * np.abs(samples)) / np.log(256)
    coded = np.round(compressed * 127) / 127
    return np.asarray(np.sign(coded) * (256 ** np.abs(coded) - 1) / 255)


def load_simulator(shared: Path) -> Any:
    spec = importlib.util.spec_from_file_location(
        "simulate_conversations", shared / "tools" / "simulate_conversations.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def measure(archive: Path, work: Path, mode: str, options: list[str]) -> Iterator[list[str]]:
    """Return the rows of the table for one --channel."""
    embeddings, result = work / "embeddings", work / "result"
    extract = ("--input_dir", archive, "--output_dir", embeddings, "--channel", mode, *options)
    call(ROOT / "extract_embeddings_multigpu.py", *extract)
    call(
        ROOT / "detect_boundaries.py",
        *("--task", "turns", "--embeddings_dir", embeddings, "--output_dir", result, "--no_plot"),
    )
    with (result / "recordings.csv").open(encoding="utf-8", newline="") as table:
        recordings = [row["recording_id"] for row in csv.DictReader(table)]
    for kind in KINDS:
        own = [name for name in recordings if name.startswith(f"{kind}/")]
        sides: list[DiarizationScore] = []
        whole = score_turns(*turns_of(archive, result, own, MIXED))
        if all((result / recording_folder(name) / "turns.channel0.rttm").exists() for name in own):
            sides = [score_turns(*turns_of(archive, result, own, channel)) for channel in (0, 1)]
        amounts = whole.pooled
        parts = (amounts.miss, amounts.false_alarm, amounts.confusion)
        counts = [score.amounts for score in whole.recordings]
        yield [
            kind,
            "each" if sides else "one signal",
            f"{100 * (amounts.der or 0):.1f}",
            *(f"{100 * part / amounts.speech:.1f}" for part in parts),
            *([f"{100 * (side.pooled.der or 0):.1f}" for side in sides] or ["–", "–"]),
            " ".join(f"{count.hypothesis_speakers}/{count.reference_speakers}" for count in counts),
        ]


def turns_of(
    archive: Path, result: Path, recordings: list[str], channel: int
) -> tuple[dict[str, list[Turn]], dict[str, list[Turn]]]:
    """Return true and found turns of the recordings, of one channel or (MIXED) of all."""
    suffix = ".rttm" if channel == MIXED else f".channel{channel}.rttm"
    reference, found = {}, {}
    for recording in recordings:
        there = read_rttm((archive / recording).with_suffix(suffix))
        own = read_rttm(result / recording_folder(recording) / f"turns{suffix}")
        reference[recording], found[recording] = (next(iter(side.values()), []) for side in (there, own))
    return reference, found


def call(*arguments: object) -> None:
    """Run one of our commands. Exit code 3 means: done, some recordings failed."""
    done = subprocess.run([sys.executable, *map(str, arguments)], cwd=ROOT, stdout=subprocess.DEVNULL)
    if done.returncode not in (0, 3):
        raise SystemExit(f"exit code {done.returncode}: {' '.join(map(str, arguments))}")


if __name__ == "__main__":
    main()
