"""PLDA from known speakers: it must separate those that it has not seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from diar.detect.clustering.plda import read_plda, write_npz
from diar.detect.training.plda import train_plda
from diar.detect.training.two_covariance import log_likelihood_ratios
from diar.detect.training.verification import equal_error_rate

SIZE, LOUD = 24, 6


def speak(speakers: int, each: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return unit vectors whose first `LOUD` dimensions vary more within a speaker than between speakers."""
    random = np.random.default_rng(seed)
    voices = random.normal(size=(speakers, SIZE))
    labels = np.repeat(np.arange(speakers), each)
    rest = 0.7 * random.normal(size=(len(labels), SIZE))
    rest[:, :LOUD] *= 5
    vectors = voices[labels] + rest + 0.5
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), labels


def rates(seed: int, **how: int) -> tuple[float, float]:
    """Return equal error rates of the cosine and of PLDA on other speakers."""
    plda = train_plda(*speak(150, 12, seed), **how)
    vectors, labels = speak(60, 8, seed + 1)
    random = np.random.default_rng(seed)
    first, second = random.integers(0, len(labels), (2, 20_000))
    first, second = first[first != second], second[first != second]
    features, same = plda.transform(vectors), labels[first] == labels[second]
    cosine = np.einsum("ij,ij->i", vectors[first], vectors[second])
    ratio = log_likelihood_ratios(plda.psi, features[first], features[second])
    return equal_error_rate(cosine, same), equal_error_rate(ratio, same)


def test_it_separates_speakers_that_it_was_not_trained_on() -> None:
    for seed in (1, 5):
        cosine, ratio = rates(seed)
        assert ratio < 0.5 * cosine
        assert rates(seed, dimensions=SIZE - LOUD)[1] < 0.6 * cosine


def test_in_its_space_a_speaker_scatters_by_one_and_speakers_by_psi() -> None:
    plda = train_plda(*speak(400, 12, 3))
    vectors, labels = speak(400, 12, 4)
    features = plda.transform(vectors).reshape(400, 12, -1)
    assert labels.reshape(400, 12).std(axis=1).max() == 0
    within = features.var(axis=1, ddof=1).mean(axis=0)
    between = features.mean(axis=1).var(axis=0, ddof=1) - within / 12
    assert np.allclose(within, 1, atol=0.25)
    assert np.corrcoef(between, plda.psi)[0, 1] > 0.9 and (np.diff(plda.psi) <= 0).all()


def test_what_is_written_is_read(tmp_path: Path) -> None:
    plda = train_plda(*speak(40, 6, 7), dimensions=10)
    write_npz(tmp_path / "plda.npz", plda)
    read, vectors = read_plda(tmp_path / "plda.npz"), speak(5, 3, 8)[0]
    assert read.psi.shape == (10,) and np.allclose(read.transform(vectors), plda.transform(vectors))


def test_equal_error_rate() -> None:
    target = np.array([True, True, True, False, False, False])
    assert equal_error_rate(np.array([3.0, 2, 1, 0, -1, -2]), target) == 0
    assert equal_error_rate(np.array([-2.0, -1, 0, 1, 2, 3]), target) == 1
    assert equal_error_rate(np.array([3.0, 2, 0, 1, -1, -2]), target) == pytest.approx(1 / 3)
    with pytest.raises(ValueError, match="two are needed"):
        equal_error_rate(np.zeros(2), np.array([True, True]))
