"""Echo of the other side: it goes, voices stay where and as they are, blocks give what the whole gives."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import fftconvolve

import diar
from diar.archive.channels.streams import open_channels
from diar.archive.recording import Recording
from diar.enhance.echo import EchoCanceller, without_echo
from tests.archive.channels.calls import RATE, hiss, sides
from tests.commands import extract

SETTLED = 10 * RATE


def echoing(level: float) -> tuple[np.ndarray, np.ndarray]:
    """Voices (2, n), and the echo of the second in the first, through a room."""
    rng = np.random.default_rng(4)
    tail = rng.standard_normal(RATE // 4) * np.exp(-6.9 * np.linspace(0, 1, RATE // 4))
    room = np.append(np.zeros(RATE // 50), tail / np.sqrt(np.square(tail).sum()))
    voices = sides() + np.stack([hiss(1e-4, 1), hiss(1e-4, 2)])
    echo = 10 ** (level / 20) * fftconvolve(voices[1], room)[: voices.shape[1]]
    return voices, echo.astype(np.float32)


def cancelled(recorded: np.ndarray) -> np.ndarray:
    return np.concatenate(list(without_echo([recorded], RATE)), axis=1)


def decibels(signal: np.ndarray, other: np.ndarray) -> float:
    return float(10 * np.log10(np.square(signal).mean() / np.square(other).mean()))


def test_the_echo_goes_and_both_voices_stay_where_they_are() -> None:
    voices, echo = echoing(-12)
    told = cancelled(voices + np.stack([echo, np.zeros_like(echo)]))
    assert told.shape == voices.shape and told.dtype == np.float32
    near, far = (np.abs(sides()) > 1e-3 * np.abs(sides()).max())[:, SETTLED:]
    left, echo = told[:, SETTLED:] - voices[:, SETTLED:], echo[SETTLED:]
    alone = far & (np.convolve(near, np.ones(RATE // 2), "same") == 0)
    assert alone.sum() > RATE and (near & far).sum() > RATE // 4
    assert decibels(echo[alone], left[0, alone]) > 14
    assert decibels(echo[near & far], left[0, near & far]) > 11
    for channel in (0, 1):  # a shift of one sample alone would be 10 dB
        assert decibels(voices[channel, SETTLED:], left[channel]) > 20


def test_without_echo_nothing_changes_much_and_without_a_reference_nothing() -> None:
    voices, _ = echoing(-12)
    left = cancelled(voices) - voices
    assert all(decibels(voices[channel], left[channel]) > 20 for channel in (0, 1))
    alone = np.stack([voices[0], np.zeros_like(voices[0])])
    assert np.array_equal(cancelled(alone), alone)


@settings(max_examples=20)
@given(st.lists(st.integers(0, 3000), max_size=6))
def test_blocks_keep_their_lengths_and_give_what_the_whole_gives(sizes: list[int]) -> None:
    voices, echo = echoing(-12)
    recorded = (voices + np.stack([echo, np.zeros_like(echo)]))[:, 2 * RATE :]
    ends = np.cumsum([0, *sizes])
    told = list(without_echo((recorded[:, a:b] for a, b in pairwise(ends.tolist())), RATE))
    assert [block.shape for block in told] == [(2, size) for size in sizes]
    whole = EchoCanceller(RATE)
    expected = np.concatenate([whole.push(recorded[:, : ends[-1]]), whole.finish()], axis=1)
    joined = np.concatenate([np.zeros((2, 0), np.float32), *told], axis=1)
    assert np.array_equal(joined, expected[:, : ends[-1]])


@pytest.mark.slow
def test_stage_1_and_python_hear_no_echo(tmp_path: Path, tiny_model_dir: Path) -> None:
    voices, echo = echoing(-12)
    recorded = voices + np.stack([echo, np.zeros_like(echo)])
    (tmp_path / "in").mkdir()
    file = tmp_path / "in/call.wav"
    sf.write(file, recorded.T, RATE, subtype="FLOAT")
    with open_channels(Recording("call.wav", str(file), 0, 0.0), RATE, "each", cancel=without_echo) as audio:
        heard = np.concatenate(list(audio), axis=1)
    assert heard.shape == recorded.shape
    both = (np.abs(sides()) > 1e-2).all(axis=0) & (np.arange(len(echo)) > SETTLED)
    assert decibels(echo[both], heard[0, both] - voices[0, both]) > 8, "while both talk"
    told, options = {}, ("--model_dir", tiny_model_dir, "--channel", "each")
    for name, more in {"as it is": (), "aec": ("--aec",)}.items():
        done = extract(tmp_path / "in", tmp_path / name, *options, *more)
        assert done.returncode == 0, done.stderr
        config = json.loads((tmp_path / name / "_extraction/config.json").read_text())
        told[name] = diar.Archive(tmp_path / name).vectors[0]
        assert config["settings"].get("aec") == (True if more else None)
    encoder = diar.open_encoder(str(tiny_model_dir), device="cpu", precision="fp32")
    for aec, vector in zip((False, True), told.values(), strict=True):
        voice = diar.embed(file, encoder=encoder, segmentation="none", channel="each", aec=aec)
        assert np.allclose(voice.vector, vector, atol=1e-5)
    assert not np.allclose(told["as it is"], told["aec"], atol=1e-3)
    refused = extract(tmp_path / "in", tmp_path / "aec", *options)
    assert refused.returncode == 2 and "aec: True there, None now" in refused.stderr
    with pytest.raises(diar.ArgumentError, match=r"give `aec` to `diar.embed`"):
        diar.diarize(voice, aec=True)
