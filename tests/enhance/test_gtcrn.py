"""GTCRN on real speech: noise goes, nothing moves, blocks give what the whole gives; stage 1 hears it."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("onnxruntime", reason="diar[enhance] is not installed")

import diar
from diar.enhance.denoiser import denoised
from diar.enhance.errors import EnhancementError
from diar.enhance.gtcrn import Gtcrn
from diar.enhance.open import open_denoiser
from diar.models.weights.hub import HubError, resolve
from tests.commands import RATE, extract


@pytest.fixture(scope="module")
def gtcrn() -> Gtcrn:
    found = open_denoiser("gtcrn")
    assert isinstance(found, Gtcrn)
    return found


@pytest.fixture(scope="module")
def speech(conversation: np.ndarray) -> np.ndarray:
    return conversation[: 4 * RATE]


def ratio(clean: np.ndarray, told: np.ndarray) -> float:
    """SI-SDR in dB (Le Roux et al., 2019)."""
    target = (told @ clean) / (clean @ clean) * clean
    return float(10 * np.log10((target @ target) / ((told - target) @ (told - target))))


def test_noise_goes_and_nothing_moves(gtcrn: Gtcrn, speech: np.ndarray) -> None:
    noise = np.random.default_rng(0).standard_normal(len(speech)).astype(np.float32)
    noisy = speech + noise * np.sqrt(np.mean(speech**2) / np.mean(noise**2)) * 10 ** (-5 / 20)
    told = gtcrn(noisy)
    assert told.shape == noisy.shape and told.dtype == np.float32
    assert ratio(speech, told) > ratio(speech, noisy) + 3
    shifts = range(-8, 9)
    inner = speech[RATE // 2 : -RATE // 2]
    peaks = [inner @ told[RATE // 2 + shift : len(told) - RATE // 2 + shift] for shift in shifts]
    assert shifts[int(np.argmax(peaks))] == 0


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(0, 3000), min_size=1, max_size=6), st.integers(0, 700))
def test_blocks_give_what_the_whole_gives(
    gtcrn: Gtcrn, speech: np.ndarray, sizes: list[int], rest: int
) -> None:
    samples, stream, at, parts = speech[: sum(sizes) + rest], gtcrn.stream(), 0, []
    for size in [*sizes, rest]:
        parts.append(stream.push(samples[at : at + size]))
        at += size
    told = np.concatenate([*parts, stream.finish()])[: len(samples)]
    assert np.array_equal(told, gtcrn(samples)) and len(told) == len(samples)


def test_no_samples_and_silence(gtcrn: Gtcrn) -> None:
    assert len(gtcrn(np.zeros(0, np.float32))) == 0
    assert np.abs(gtcrn(np.zeros(1000, np.float32))).max() < 1e-4


@pytest.mark.slow
def test_stage_1_hears_what_it_makes(tmp_path: Path, speech: np.ndarray, tiny_model_dir: Path) -> None:
    (tmp_path / "in").mkdir()
    noise = np.random.default_rng(1).standard_normal(len(speech)).astype(np.float32)
    sf.write(tmp_path / "in" / "a.wav", speech + 0.01 * noise, RATE)
    told = {}
    for name, options in {
        "none": [],
        "embedding": ["--enhance", "gtcrn", "--enhance_for", "embedding"],
        "segmentation": ["--enhance", "gtcrn", "--enhance_for", "segmentation"],
    }.items():
        told[name] = extract(tmp_path / "in", tmp_path / name, "--model_dir", tiny_model_dir, *options).stderr
    vector = {name: diar.Archive(tmp_path / name).vectors for name in told}
    assert np.array_equal(vector["none"], vector["segmentation"]), "there is no segmentation network here"
    assert not np.allclose(vector["none"], vector["embedding"], atol=1e-3)
    assert "--enhance gtcrn has no effect with --enhance_for segmentation and" in told["segmentation"]
    assert "has no effect" not in told["embedding"] + told["none"]
    encoder = diar.open_encoder(str(tiny_model_dir), device="cpu", precision="fp32")
    asked = {"encoder": encoder, "segmentation": "none", "enhance": "gtcrn"}
    heard = diar.embed(tmp_path / "in/a.wav", enhance_for="embedding", **asked)  # type: ignore[arg-type]
    assert np.allclose(heard.vector, vector["embedding"][0], atol=1e-5)
    with pytest.raises(diar.ArgumentError, match="`enhance_for=words` is not one of both, seg"):
        diar.embed(tmp_path / "in/a.wav", enhance_for="words", **asked)  # type: ignore[arg-type]
    with pytest.raises(diar.ArgumentError, match="has no effect without `enhance`"):
        diar.diarize(tmp_path / "in/a.wav", enhance_for="embedding")
    stats = {
        name: json.loads((tmp_path / name / "extraction_stats.json").read_text())["this_run"]["steps"]
        for name in told
    }
    assert stats["embedding"]["enhance"] > 0 == stats["none"]["enhance"]
    assert "enhance" not in json.dumps(read_settings(tmp_path / "none"))
    assert read_settings(tmp_path / "embedding")["enhance"] == "gtcrn"


def read_settings(output: Path) -> dict[str, object]:
    return json.loads((output / "_extraction" / "config.json").read_text())["settings"]


def test_what_cannot_be_opened_is_told(tmp_path: Path) -> None:
    assert open_denoiser("none") is None
    with pytest.raises(EnhancementError, match="8000 Hz"):
        open_denoiser("gtcrn", 8_000)
    with pytest.raises(HubError, match="speaker encoder, which `model` takes"):
        resolve("campplus-zh-en", "enhance")
    (tmp_path / "denoiser.onnx").write_bytes(b"no network")
    with pytest.raises(EnhancementError, match="cannot be opened"):
        open_denoiser(str(tmp_path))


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(0, 3000), max_size=6))
def test_a_signal_in_blocks_keeps_its_length(gtcrn: Gtcrn, speech: np.ndarray, sizes: list[int]) -> None:
    ends = np.cumsum([0, *sizes])
    blocks = [speech[begin:end] for begin, end in pairwise(ends.tolist())]
    told = np.concatenate([np.zeros(0, np.float32), *denoised(gtcrn, iter(blocks))])
    assert np.array_equal(told, gtcrn(speech[: ends[-1]]))
