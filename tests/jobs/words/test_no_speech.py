"""Silence, noise and music have no words, alone or between what people say."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from diar.formats.words.document import read_recording_words
from tests.commands import RATE, detect, extract, run_diar
from tests.conftest import named_weights

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("faster_whisper") is None, reason="words need faster-whisper"
)
SPEECH, OTHER = 6, 5  # seconds
EDGE = 0.3  # seconds around speech that count as speech


def chords(time: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Half a second a chord, each with its overtones, as a telephone plays to those who wait."""
    bar = (time / 0.5).astype(int)
    root = 220 * 2 ** (rng.integers(0, 12, bar.max() + 1)[bar] / 12)
    tones = [(2 ** (step / 12) * k, k) for step in (0, 4, 7) for k in (1, 2, 3)]
    heard = np.sum([np.sin(2 * np.pi * root * ratio * time) / k for ratio, k in tones], axis=0)
    return heard * np.exp(-3 * (time % 0.5))


def sounds() -> dict[str, np.ndarray]:
    rng, time = np.random.default_rng(5), np.arange(OTHER * RATE) / RATE
    every = {
        "silence": np.zeros(len(time)),
        "noise": rng.standard_normal(len(time)),
        "hum": np.sin(2 * np.pi * 50 * time) + 0.3 * np.sin(2 * np.pi * 150 * time),
        "music": chords(time, rng),
    }
    return {name: 0.3 * samples / max(np.abs(samples).max(), 1e-9) for name, samples in every.items()}


@pytest.mark.slow
def test_what_nobody_says_is_not_written(
    conversation: np.ndarray, campplus_dir: Path, segmentation_dir: Path, tmp_path: Path
) -> None:
    asr, audio = named_weights("whisper-tiny.en"), tmp_path / "audio"
    audio.mkdir()
    for name, samples in sounds().items():
        sf.write(audio / f"{name}.wav", samples, RATE, subtype="PCM_16")
    parts = [conversation[: SPEECH * RATE], *sounds().values(), conversation[: SPEECH * RATE]]
    sf.write(audio / "held.wav", np.concatenate(parts), RATE, subtype="PCM_16")

    models = ("--model_dir", campplus_dir, "--segmentation", segmentation_dir, "--speech", "segmentation")
    found = extract(audio, tmp_path / "E", *models)
    assert found.returncode == 3, found.stderr
    assert "silence.wav: all samples are zero" in found.stderr
    for name in ("noise", "hum", "music"):
        assert f"{name}.wav: no speech found" in found.stderr
    assert detect(tmp_path / "E", tmp_path / "R", "--task", "turns").returncode == 3
    files = ("--embeddings_dir", tmp_path / "E", "--result", tmp_path / "R")
    run_diar("words", *files, "--asr", asr, "--device", "cpu", "--beam_size", 1, "--workers", 1)

    written = {path.parent.name: read_recording_words(path) for path in tmp_path.rglob("words.json")}
    assert {name: own.words for name, own in written.items() if name != "held.wav" and own.words} == {}
    words = written["held.wav"].words
    begins_again = SPEECH + OTHER * len(sounds())
    assert any(word.end <= SPEECH for word in words)
    assert any(word.start >= begins_again for word in words)
    assert [w for w in words if w.end > SPEECH + EDGE and w.start < begins_again - EDGE] == []
