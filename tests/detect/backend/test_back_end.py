"""Back ends against their formulas in other words, and two voices as calibrations decide about them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diar.detect.backend.back_end import BackEnd
from diar.detect.backend.calibration import Calibration
from diar.detect.boundaries.segments import find_segments
from diar.detect.boundaries.sequences import split_archive
from diar.detect.boundaries.settings import BoundarySettings
from diar.detect.clustering.plda import Plda, PldaError, XvectorTransform, read_plda, write_npz
from diar.detect.linking.bandwidth import link_over_channels
from diar.detect.linking.evidence import CalibratedEvidence
from diar.detect.linking.known import KnownSpeakers
from diar.detect.linking.link import link_speakers
from diar.detect.training.plda import train_plda
from tests.detect.backend.sessions import session_voices
from tests.detect.observations_sample import DIMENSION, unit


def trained(seed: int = 1) -> Plda:
    voices = session_voices(60, 4, seed)
    return train_plda(voices.reshape(-1, DIMENSION), np.repeat(np.arange(60), 4))


def test_vectors_are_compared_by_the_covariance_within_a_speaker() -> None:
    """xᵀ W⁻¹ y / (|x| |y|) of centred x, y, with W solved for instead of diagonalised."""
    plda = trained()
    transform = plda.xvector_transform
    assert isinstance(transform, XvectorTransform)
    vectors = session_voices(5, 2, seed=9).reshape(-1, DIMENSION)
    inverse = np.linalg.inv(plda.diagonalizer)
    within = inverse @ inverse.T
    inner = []
    for vector in vectors:
        centred = vector - transform.mean1
        projected = np.sqrt(DIMENSION) * centred / np.linalg.norm(centred) @ transform.lda - transform.mean2
        inner.append(np.sqrt(DIMENSION) * projected / np.linalg.norm(projected) - plda.mean)
    products = np.array(inner) @ np.linalg.solve(within, np.array(inner).T)
    lengths = np.sqrt(np.diag(products))
    found = BackEnd(plda).vectors(vectors)
    assert found.dtype == np.float32
    assert np.allclose(found @ found.T, products / np.outer(lengths, lengths), atol=1e-5)


def test_a_plda_model_links_sessions_that_the_cosine_keeps_apart() -> None:
    voices = session_voices(12, 4, seed=3)
    ann, voices = voices[0, 3], voices[:, :3]
    rows, person = voices.reshape(-1, DIMENSION).astype(np.float32), np.repeat(np.arange(12), 3)
    order = np.random.default_rng(0).permutation(len(rows))
    rows, person = rows[order], person[order]
    given = (rows, np.full(len(rows), 20.0), np.arange(len(rows)), np.zeros(len(rows), bool))
    without = link_over_channels(*given, None, 0.5, None)
    known = KnownSpeakers(["Ann"], ann[None].astype(np.float32), np.array([20.0]))
    linked = link_over_channels(*given, known, 0.5, None, BackEnd(trained()))
    assert groups(linked.label) == groups(person) != groups(without.label)
    assert [linked.name[one] == "Ann" for one in linked.label] == (person == 0).tolist()
    assert np.allclose(np.linalg.norm(linked.centroid, axis=1), 1, atol=1e-6)
    assert linked.centroid.shape[1] == DIMENSION
    mean = rows[person == person[0]].mean(axis=0)  # of the vectors as given, all of one weight
    assert linked.centroid[0] @ mean / np.linalg.norm(mean) == pytest.approx(1, abs=1e-5)


def groups(label: np.ndarray) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(label == one).tolist()) for one in np.unique(label)}


@given(
    cosine=st.floats(-0.95, 0.95),
    slope=st.floats(1, 40),
    offset=st.floats(-20, 5),
    probability=st.floats(0.05, 0.95),
)
def test_two_vectors_are_one_person_where_the_calibration_says_so(
    cosine: float, slope: float, offset: float, probability: float
) -> None:
    """By Bayes' rule with prior odds 1 : 2; odds below even never merge, and few persons are one person."""
    vectors = np.array([[1, 0], [cosine, np.sqrt(1 - cosine**2)]], np.float32)
    evidence = CalibratedEvidence(calibration=Calibration(slope, offset))
    linked = link_speakers(vectors, np.ones(2), np.arange(2), None, probability, None, evidence)
    ratio = slope * cosine + offset
    asked = max(np.log(2 * probability / (1 - probability)), 0)
    if abs(ratio - asked) > 1e-3:
        assert (linked.label[0] == linked.label[1]) == (ratio > asked)


def test_the_threshold_of_a_calibration_is_a_cosine() -> None:
    evidence = CalibratedEvidence(calibration=Calibration(20.0, -8.0))
    assert evidence.least_cosine(2.0) == evidence.cosine_at(2.0) == pytest.approx(0.5)
    assert evidence.ratio_at(0.5) == pytest.approx(2.0)


def segments(back_end: BackEnd | None, **options: object) -> tuple[list[int], list[int]]:
    """Starts and speakers of five segments: 0 1 0 2 3, the first speaker in another session when back."""
    voices = session_voices(4, 2, seed=8)
    spoken = [voices[0, 0], voices[1, 0], voices[0, 1], voices[2, 0], voices[3, 0]]
    rng = np.random.default_rng(4)
    files = np.repeat(spoken, 12, axis=0)
    files = unit(files + 0.4 * unit(rng.standard_normal(files.shape))).astype(np.float32)
    names = [f"{number}.wav" for number in range(len(files))]
    sequences = split_archive(names, np.ones(len(files), bool), by_folder=False)
    settings = BoundarySettings(back_end=back_end, **options)
    found = find_segments(files, np.full(len(files), 3.0), sequences, settings)
    return found.segmentation.starts.tolist(), found.speakers.tolist()


def test_segments_are_one_speaker_by_the_back_end_and_cut_by_the_encoder() -> None:
    starts = [0, 12, 24, 36, 48]
    assert segments(None) == (starts, [0, 1, 2, 3, 4])
    plda = trained()
    assert segments(BackEnd(plda)) == (starts, [0, 1, 0, 2, 3])
    calibrated = replace(plda, calibration=Calibration(20.0, -8.0))
    assert segments(BackEnd(calibrated)) == (starts, [0, 1, 0, 2, 3])
    strict = replace(plda, calibration=Calibration(20.0, -21.0))  # a cosine of 1.13 is asked for
    assert segments(BackEnd(strict)) == (starts, [0, 1, 2, 3, 4])


def test_what_a_file_says_of_its_calibration_and_encoder_is_read(tmp_path: Path) -> None:
    plda, file = trained(), tmp_path / "plda.npz"
    write_npz(file, replace(plda, calibration=Calibration(21.5, -7.25), encoder_sha256="abc"))
    read = read_plda(file)
    assert read.calibration == Calibration(21.5, -7.25) and read.encoder_sha256 == "abc"
    BackEnd(read).check_plda(str(file), "campplus", "abc", DIMENSION)
    for sha256, dimension, told in (
        ("abd", DIMENSION, "another encoder"),
        ("abc", 5, "64 dimensions in place of 5"),
    ):
        with pytest.raises(PldaError, match=told):
            BackEnd(read).check_plda(str(file), "campplus", sha256, dimension)
    arrays = dict(np.load(file))
    for bad in ([0.0, 1.0], [np.nan, 1.0], [1.0], ["a", "b"]):
        np.savez(file, **{**arrays, "calibration": np.array(bad)})
        with pytest.raises(PldaError, match="slope above 0"):
            read_plda(file)
