"""Send archives of tools/make_archive.py through the channels of tools/degrade.py, a session at a time."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from itertools import groupby
from pathlib import Path

import numpy as np
import soundfile as sf
from labelled_sets import load_degrade

RATE = 16_000
PAUSE = 0.5  # seconds between two files of a session; reverberation decays by at least 37 dB in them
SESSIONS: dict[str, Callable[[dict[str, str]], str]] = {  # which files share a call or room
    "block": lambda row: row["block"],
    "file": lambda row: row["path"],
    "archive": lambda _: "",
}
Channel = Callable[[np.ndarray, np.random.Generator], tuple[np.ndarray, int]]


def degrade_archive(shared: Path, archive: Path, out: Path, kind: str, session: str, seed: int) -> None:
    """Write a degraded `archive`: out/audio with the same paths, and out/truth.csv."""
    channel, rng = getattr(load_degrade(shared), kind), np.random.default_rng(seed)
    with (archive / "truth.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    for _, together in groupby(rows, key=SESSIONS[session]):
        paths = [row["path"] for row in together]
        waves = [sf.read(archive / "audio" / path)[0] for path in paths]
        for path, (samples, rate) in zip(paths, degrade_session(waves, channel, rng), strict=True):
            file = out / "audio" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            sf.write(file, samples, rate, subtype="PCM_16")
    shutil.copyfile(archive / "truth.csv", out / "truth.csv")


def degrade_session(
    waves: list[np.ndarray], channel: Channel, rng: np.random.Generator
) -> list[tuple[np.ndarray, int]]:
    """Send the files of a session, samples at 16 kHz, through one call or room; return samples and rates."""
    pause = np.zeros(round(PAUSE * RATE))
    parts = [part for wave in waves for part in (pause, wave)][1:]
    samples, rate = channel(np.concatenate(parts), rng)
    ends = np.cumsum([len(part) for part in parts])[::2].tolist()
    spans = [(end - len(wave), end) for wave, end in zip(waves, ends, strict=True)]
    return [(samples[start * rate // RATE : end * rate // RATE], rate) for start, end in spans]
