"""Labelled conversations for the benchmarks: real excerpts, simulated conversations, degraded versions.

The tools that make them are in the shared folder: `simulate_conversations.py`, and `degrade.py` for telephone
(tel), far-microphone (room) and broadcast versions of a folder. Pink noise at a level comes from here.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from types import ModuleType
from unittest import mock

import numpy as np
import soundfile as sf
from running import call

KINDS = ("tel", "room", "broadcast")
NOISE = "noise"  # how kinds begin that are noise at so many dB
PEERS = ("pyannote", "Senko", "WeSpeaker")
_NOT_MEASURED = (None, None, None)


@dataclass(frozen=True)
class LabelledSet:
    """One set: its name for `--sets`, and how it is made."""

    name: str
    title: str
    simulate: str | None  # options of simulate_conversations.py; None: the AMI excerpts
    peers: tuple[float | None, ...] = _NOT_MEASURED  # published DER in % of PEERS
    kind: str | None = None  # of KINDS, or noise10 at 10 dB; None: not degraded
    seed: int = 0  # of degrade.py, or of the noise

    def degraded(self, kind: str, seed: int) -> LabelledSet:
        """Return this set through degrade.py, for which no DER is published."""
        name, title = f"{self.name}-{kind}-{seed}", f"{self.title}, {kind}, seed {seed}"
        return replace(self, name=name, title=title, peers=_NOT_MEASURED, kind=kind, seed=seed)

    @property
    def folder(self) -> str:
        """Return the folder that all versions of one set share."""
        return self.name if self.kind is None else self.name.removesuffix(f"-{self.kind}-{self.seed}")


CLEAN = (
    LabelledSet("AMI", "AMI, 10 × 30 s", None, (28.4, 55.1, 43.0)),
    LabelledSet("default", "simulated, default (55 min)", "", (19.9, 28.5, 42.5)),
    LabelledSet(
        "seed5",
        "simulated, 2, 4, 8 speakers (90 min)",
        "--seed 5 --set 2:1800 4:1800 8:1800",
        (19.0, None, None),
    ),
)
HELD_OUT = tuple(
    LabelledSet(
        f"seed{seed}",
        f"simulated, 1 to 20 speakers, seed {seed} (72 min)",
        f"--seed {seed} --set 2:120 1:200 3:400 6:900 12:1200 20:1500",
    )
    for seed in (31, 77)
)


def own_set(simulate: str) -> LabelledSet:
    """Return a set that is named by its options of simulate_conversations.py."""
    return LabelledSet(re.sub(r"[^0-9A-Za-z]+", "-", simulate).strip("-"), f"simulated, {simulate}", simulate)


def degraded_sets(sets: Iterable[LabelledSet], seeds: Iterable[int]) -> list[LabelledSet]:
    """Return each simulated set in each kind with each seed; the real excerpts are not clean."""
    simulated, seeds = [one for one in sets if one.simulate is not None], list(seeds)
    return [one.degraded(kind, seed) for one in simulated for kind in KINDS for seed in seeds]


def noisy_sets(sets: Iterable[LabelledSet], levels: Iterable[int]) -> list[LabelledSet]:
    """Return each simulated set in pink noise at each level, in dB."""
    simulated, levels = [one for one in sets if one.simulate is not None], list(levels)
    return [one.degraded(f"{NOISE}{level}", 1) for one in simulated for level in levels]


def choose(sets: Iterable[LabelledSet], patterns: Iterable[str]) -> list[LabelledSet]:
    """Return the sets that patterns (`default-tel-*`) name, in order; SystemExit for one that names none."""
    sets, patterns = list(sets), list(patterns)
    for pattern in patterns:
        if not any(fnmatchcase(one.name, pattern) for one in sets):
            raise SystemExit(f"no set is named {pattern}; there are {' '.join(one.name for one in sets)}")
    return [one for one in sets if any(fnmatchcase(one.name, pattern) for pattern in patterns)]


def prepare(chosen: LabelledSet, shared: Path, work: Path) -> Path:
    """Return the folder with the set's WAVs and RTTMs; make it below `work` if it does not exist."""
    if chosen.simulate is None:
        return shared / "data" / "ami"
    tools, clean = shared / "tools", work / chosen.folder / "audio"
    options = chosen.simulate.split()
    make_once(clean, lambda folder: call(tools / "simulate_conversations.py", folder, *options))
    if chosen.kind is None:
        return clean
    if chosen.kind.startswith(NOISE):
        noisy, level = work / chosen.folder / chosen.kind, int(chosen.kind.removeprefix(NOISE))
        make_once(noisy, lambda folder: add_noise(clean, folder, level, chosen.seed))
        return noisy
    degraded = work / chosen.folder / f"degraded-{chosen.seed}"
    make_once(degraded, lambda folder: call(tools / "degrade.py", clean, folder, "--seed", chosen.seed))
    return degraded / chosen.kind


def add_noise(clean: Path, noisy: Path, level: int, seed: int) -> None:
    """Write the WAVs of a folder in pink noise, `level` dB below their mean power, and the RTTMs."""
    noisy.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for file in sorted(clean.glob("*.wav")):
        samples, rate = sf.read(file)
        spectrum = np.fft.rfft(rng.standard_normal(len(samples)))
        noise = np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(len(spectrum)), 1)), len(samples))
        noise *= np.sqrt(np.mean(samples**2) / np.mean(noise**2) / 10 ** (level / 10))
        mixed = samples + noise
        sf.write(noisy / file.name, 0.5 * mixed / np.abs(mixed).max(), rate, subtype="PCM_16")
        shutil.copy(file.with_suffix(".rttm"), noisy)


def make_once(folder: Path, make: Callable[[Path], object]) -> None:
    """Let `make` fill a folder that does not exist; it gets its name when it is complete."""
    if folder.exists():
        return
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.parent.mkdir(parents=True, exist_ok=True)
    make(partial)
    partial.rename(folder)


def durations(folder: Path) -> dict[str, float]:
    """Return the seconds of each WAV by its stem."""
    return {file.stem: sf.info(file).duration for file in sorted(folder.glob("*.wav"))}


def write_uem(file: Path, seconds: dict[str, float]) -> Path:
    """Write a UEM of whole recordings, so that nothing after a file's end is scored."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{stem} 1 0 {duration}\n" for stem, duration in seconds.items()))
    return file


def load_tool(shared: Path, name: str) -> ModuleType:
    """Import a script of the shared folder's `tools/`."""
    file = shared / "tools" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def load_degrade(shared: Path) -> ModuleType:
    """Import tools/degrade.py for `tel(x, rng)` and others: samples at 16 kHz → samples and their rate.

    It degrades a folder as soon as it is loaded; here that is an empty one.
    """
    with tempfile.TemporaryDirectory() as empty, mock.patch.object(sys, "argv", ["degrade.py", empty, empty]):
        return load_tool(shared, "degrade")
