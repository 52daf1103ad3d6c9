"""Spoken signals for the tests of channels and tracks: two voices, and what else a channel may hold."""

from functools import cache

import numpy as np

from diar.demo.espeak import speak_all
from diar.demo.sentences import SENTENCES
from diar.demo.voices import VOICES

RATE = 16_000


@cache
def sides(seconds: float = 24.0) -> np.ndarray:
    """(2, n) float32: two voices in turn, each in its row; every third turn begins in the one before."""
    voices = [next(voice for voice in VOICES if voice.name == name) for name in ("gustave", "iven")]
    turns = list(speak_all([(voices[number % 2], text) for number, text in enumerate(SENTENCES[:14])]))
    heard = np.zeros((2, round(seconds * RATE)), np.float32)
    at = RATE // 2
    for number, turn in enumerate(turns):
        part = turn[: max(0, heard.shape[1] - at)]
        heard[number % 2, at : at + len(part)] += part
        at += len(turn) + round((-0.6 if number % 3 == 1 else 0.4) * RATE)
    return 0.4 * heard / np.abs(heard).max()


def talk(noise: float = 3e-4) -> np.ndarray:
    """(n,) both voices of `sides`."""
    return sides().sum(axis=0) + hiss(noise)


def hiss(level: float, seed: int = 0) -> np.ndarray:
    """(n,) white noise as long as `sides`."""
    return (level * np.random.default_rng(seed).standard_normal(sides().shape[1])).astype(np.float32)


def music(seed: int = 0) -> np.ndarray:
    """(n,) chords that change every second, as long as `sides`."""
    rng = np.random.default_rng(seed)
    time = np.arange(sides().shape[1]) / RATE
    bar = time.astype(int)
    root = (110 * 2 ** (rng.integers(0, 12, bar.max() + 1) / 12))[bar]
    tones = [
        np.sin(2 * np.pi * root * 2 ** (step / 12) * k * time) / k for step in (0, 4, 7) for k in (1, 2, 3)
    ]
    return (0.08 * np.sum(tones, axis=0) * np.exp(-2 * (time % 0.5))).astype(np.float32)


def rumble() -> np.ndarray:
    """(n,) 40 Hz, as a channel for low frequencies holds it."""
    return (0.4 * np.sin(2 * np.pi * 40 * np.arange(sides().shape[1]) / RATE)).astype(np.float32)


def delayed(signal: np.ndarray, samples: int) -> np.ndarray:
    return np.concatenate([np.zeros(samples, np.float32), signal])[: len(signal)]


def call(crosstalk: float = -25.0, level: float = 0.0, noise: float = 3e-4) -> np.ndarray:
    """(2, n) a call: a side a channel, the other `crosstalk` dB below, the second side at `level` dB."""
    first, second = sides()
    second = second * np.float32(10 ** (level / 20))
    leak = np.float32(10 ** (crosstalk / 20))
    return np.stack([first + leak * second + hiss(noise, 1), second + leak * first + hiss(noise, 2)])
