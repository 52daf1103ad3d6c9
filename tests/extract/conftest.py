"""Spoken audio for stage 1: a conversation of synthesised voices, made by the demo."""

import csv

import numpy as np
import pytest
import soundfile as sf

from tests.commands import RATE, run_diar


@pytest.fixture(scope="session")
def conversation(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """(n,) float32, 70 s of two voices in turn: pauses of 0.8 s, every third turn overlaps the one before."""
    folder = tmp_path_factory.mktemp("spoken") / "demo"
    made = run_diar("demo", folder, "--speakers", 2, "--files", 10)
    assert made.returncode == 0, made.stderr
    voices: dict[str, list[np.ndarray]] = {}
    with (folder / "truth.csv").open() as file:
        for row in csv.DictReader(file):
            samples, _ = sf.read(folder / "audio" / row["path"], dtype="float32")
            voices.setdefault(row["speaker"], []).append(samples)
    first, second = list(voices.values())[:2]
    turns = [turn for pair in zip(first, second, strict=False) for turn in pair]
    mixed, at = np.zeros(80 * RATE, np.float32), RATE // 2
    for number, turn in enumerate(turns):
        mixed[at : at + len(turn)] += turn[: max(0, len(mixed) - at)]
        at += len(turn) + round((-1.0 if number % 3 == 1 else 0.8) * RATE)
    assert at > 70 * RATE
    floor = 1e-4 * np.random.default_rng(0).standard_normal(len(mixed)).astype(np.float32)
    return (0.5 * mixed + floor)[: 70 * RATE]
