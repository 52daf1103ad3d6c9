"""Spoken audio for stage 1: a conversation of two synthesised voices."""

import numpy as np
import pytest

from diar.demo.espeak import speak_all
from diar.demo.sentences import SENTENCES
from diar.demo.voices import VOICES
from tests.commands import RATE

SECONDS = 70


@pytest.fixture(scope="session")
def conversation() -> np.ndarray:
    """(n,) float32, 70 s of two voices in turn: pauses of 0.8 s, every third turn overlaps the one before."""
    voices = [next(voice for voice in VOICES if voice.name == name) for name in ("gustave", "iven")]
    turns = speak_all([(voices[number % 2], text) for number, text in enumerate(SENTENCES[:28])])
    mixed, at = np.zeros((SECONDS + 10) * RATE, np.float32), RATE // 2
    for number, turn in enumerate(turns):
        mixed[at : at + len(turn)] += turn[: max(0, len(mixed) - at)]
        at += len(turn) + round((-1.0 if number % 3 == 1 else 0.8) * RATE)
    assert at > SECONDS * RATE
    floor = 1e-4 * np.random.default_rng(0).standard_normal(len(mixed)).astype(np.float32)
    return (0.5 * mixed / np.abs(mixed).max() + floor)[: SECONDS * RATE]
