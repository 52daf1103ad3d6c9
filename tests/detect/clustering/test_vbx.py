"""VBx on synthetic PLDA data, against a dense forward-backward, and the published result of one meeting."""

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diar.detect.clustering import vbx as vbx_module
from diar.detect.clustering.plda import Plda, read_plda, write_npz
from diar.detect.clustering.similarity import average_linkage, cosine_similarities, two_gaussian_threshold
from diar.detect.clustering.vbx import VbxResult, cluster_vbx, infer_states, initial_clusters, vbx
from diar.formats.rttm import read_rttm
from diar.records import Turn
from diar.score.der import ScoreOptions, score_turns

PSI = np.linspace(6.0, 0.5, 32)


def conversation(speakers: int, count: int, stay: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Features (n, 32) by the model itself, and who speaks; a speaker goes on with probability `stay`."""
    rng = np.random.default_rng(seed)
    means = np.sqrt(PSI) * rng.standard_normal((speakers, len(PSI)))
    truth = np.empty(count, dtype=np.int64)
    for i in range(count):
        goes_on = i >= speakers and rng.random() < stay
        truth[i] = truth[i - 1] if goes_on else (i if i < speakers else rng.integers(speakers))
    return means[truth] + rng.standard_normal((count, len(PSI))), truth


def dense_inference(
    likelihood: np.ndarray, priors: np.ndarray, loop: float
) -> tuple[np.ndarray, np.ndarray, float]:
    """The definition, over the whole matrix of transitions and every pair of states."""
    count, states = likelihood.shape
    transition = loop * np.eye(states) + (1 - loop) * priors
    forward, backward = np.zeros((count, states)), np.ones((count, states))
    forward[0] = priors * likelihood[0]
    for t in range(1, count):
        forward[t] = forward[t - 1] @ transition * likelihood[t]
    for t in range(count - 2, -1, -1):
        backward[t] = transition @ (likelihood[t + 1] * backward[t + 1])
    evidence = forward[-1].sum()
    drawn = forward[0] * backward[0] / evidence
    for t in range(1, count):
        for before in range(states):
            drawn += forward[t - 1, before] * (1 - loop) * priors * likelihood[t] * backward[t] / evidence
    return forward * backward / evidence, drawn / drawn.sum(), float(np.log(evidence))


@given(st.integers(1, 12), st.integers(1, 5), st.floats(0, 1), st.integers(0, 2**32 - 1))
@settings(max_examples=60)
def test_states_equal_the_dense_reference(count: int, states: int, loop: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    logs = rng.normal(0, 3, (count, states))
    priors = rng.dirichlet(np.ones(states))
    expected = dense_inference(np.exp(logs), priors, loop)
    for found, wanted in zip(infer_states(logs, priors, loop), expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-8, atol=1e-10)


def test_no_loop_is_the_limit_of_a_small_one() -> None:
    rng = np.random.default_rng(0)
    logs, priors = rng.normal(0, 3, (50, 4)), rng.dirichlet(np.ones(4))
    for found, wanted in zip(infer_states(logs, priors, 0.0), infer_states(logs, priors, 1e-12), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-8)


def test_likelihoods_beyond_floating_point_and_speakers_without_prior() -> None:
    logs = np.array([[-1e5, -2e5, 0.0], [-3e5, -1e5, 0.0], [-1e5, -3e5, 0.0]])
    for loop in (0.0, 0.5):
        responsibilities, priors, evidence = infer_states(logs, np.array([0.5, 0.5, 0.0]), loop)
        np.testing.assert_array_equal(responsibilities, [[1, 0, 0], [0, 1, 0], [1, 0, 0]])
        np.testing.assert_allclose(priors, [2 / 3, 1 / 3, 0])
        assert evidence == pytest.approx(-3e5, abs=10)


@pytest.mark.parametrize(("loop", "stay"), [(0.0, 0.0), (0.9, 0.9)])
@pytest.mark.parametrize("speakers", [1, 2, 5, 9])
def test_speakers_are_found(speakers: int, loop: float, stay: float) -> None:
    features, truth = conversation(speakers, 300, stay, seed=speakers)
    result = cluster_vbx(features, PSI, fa=0.4, fb=8.0, loop_probability=loop)
    assert result.labels.tolist() == truth.tolist()
    assert len(result.speakers) == speakers
    best = result.responsibilities.argmax(axis=1)
    np.testing.assert_array_equal(result.speakers[result.labels], best)
    np.testing.assert_allclose(result.responsibilities.sum(axis=1), 1)
    assert result.priors.sum() == pytest.approx(1)


def test_the_right_number_is_found_from_far_too_many() -> None:
    features, truth = conversation(3, 400, 0.9, seed=3)
    initial = truth * 10 + np.random.default_rng(3).integers(10, size=len(truth))
    result = vbx(features, PSI, initial, fa=0.4, fb=8.0, loop_probability=0.9)
    assert result.responsibilities.shape == (400, 30)
    assert result.labels.tolist() == truth.tolist()
    assert len(result.speakers) == 3
    assert (result.priors > 1e-7).sum() == 3


def test_the_sequence_helps_where_embeddings_are_poor() -> None:
    features, truth = conversation(2, 600, 0.98, seed=4)
    weak = 0.3 * PSI  # speakers closer together than the features were made with
    noisy = features * np.sqrt(0.3) + np.random.default_rng(5).normal(0, 2.5, features.shape)
    start = np.where(np.random.default_rng(6).random(600) < 0.25, 1 - truth, truth)

    def errors(loop: float) -> float:
        result = vbx(noisy, weak, start, fa=0.15, fb=1.0, loop_probability=loop)
        return float((result.responsibilities.argmax(axis=1) != truth).mean())

    assert errors(0.95) < 0.02 < errors(0.0)


@given(
    st.integers(1, 40),
    st.integers(1, 6),
    st.floats(0, 1),
    st.floats(0.02, 2),
    st.floats(0.1, 70),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=60)
def test_the_bound_never_falls(count: int, most: int, loop: float, fa: float, fb: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((count, 4)) * 3
    psi, initial = rng.exponential(2, 4), rng.integers(most, size=count)
    result = vbx(features, psi, initial, fa=fa, fb=fb, loop_probability=loop, tolerance=-np.inf)
    assert len(result.elbo) == 40
    assert (np.diff(result.elbo) > -1e-9 * np.abs(result.elbo[1:])).all()


def test_the_bound_is_that_of_the_definition() -> None:
    """Of a mixture: E[log p(X, Z, Y)] - E[log q(Z) q(Y)], every term by itself; fa, fb weigh two."""
    features, truth = conversation(2, 6, 0.0, seed=7)
    fa, fb = 0.4, 3.0
    hard = np.eye(2)[truth]
    result = vbx(
        features, PSI, truth, fa=fa, fb=fb, loop_probability=0.0, max_iterations=1, initial_smoothing=np.inf
    )
    precision = 1 + fa / fb * hard.sum(axis=0)[:, None] * PSI
    means = fa / fb * hard.T @ (features * np.sqrt(PSI)) / precision
    squares = np.zeros((6, 2))  # E‖x - V y‖² under q(Y)
    for i in range(6):
        for k in range(2):
            squares[i, k] = ((features[i] - np.sqrt(PSI) * means[k]) ** 2 + PSI / precision[k]).sum()
    likelihood = -0.5 * squares - 0.5 * len(PSI) * np.log(2 * np.pi)
    responsibilities = result.responsibilities
    divergence = 0.5 * (1 / precision + means**2 - 1 + np.log(precision)).sum()
    entropy = -np.sum(responsibilities * np.log(np.maximum(responsibilities, 1e-300)))
    bound = fa * np.sum(responsibilities * likelihood) + np.log(0.5) * 6 + entropy - fb * divergence
    assert result.elbo.tolist() == [pytest.approx(bound)]


def test_smoothing_softens_the_start() -> None:
    features, truth = conversation(2, 20, 0.5, seed=8)
    one_step = {"fa": 0.1, "fb": 1.0, "loop_probability": 0.0, "max_iterations": 1}
    soft, hard, equal = (
        vbx(features, PSI, truth, initial_smoothing=smoothing, **one_step) for smoothing in (2.0, np.inf, 0.0)
    )
    assert soft.elbo[0] < hard.elbo[0]
    np.testing.assert_allclose(equal.responsibilities, 0.5)


def test_a_long_recording_is_clustered_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vbx_module, "_DIRECT", 100)
    features, truth = conversation(4, 1000, 0.8, seed=9)
    initial = initial_clusters(features, PSI)
    assert initial.max() + 1 > 10
    assert all(len(set(truth[initial == cluster])) == 1 for cluster in range(initial.max() + 1))
    assert cluster_vbx(features, PSI, fa=0.4, fb=17.0).labels.tolist() == truth.tolist()


def test_none_and_one_embedding() -> None:
    empty = cluster_vbx(np.zeros((0, 32)), PSI)
    assert empty.labels.shape == empty.elbo.shape == empty.speakers.shape == (0,)
    assert cluster_vbx(np.zeros((1, 32)), PSI).labels.tolist() == [0]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"psi": PSI[:3]}, r"psi \(3,\)"),
        ({"initial": np.zeros(3, dtype=int)}, r"initial \(3,\)"),
        ({"initial": np.array([0.5, 1.0])}, "integers from 0"),
        ({"initial": np.array([0, -1])}, "integers from 0"),
        ({"features": np.full((2, 32), np.nan)}, "finite"),
        ({"psi": -PSI}, "negative"),
        ({"fa": 0.0}, "fa=0"),
        ({"loop_probability": 1.1}, "loop_probability=1.1"),
        ({"max_iterations": 0}, "max_iterations=0"),
    ],
)
def test_what_does_not_fit_is_refused(changed: dict[str, object], message: str) -> None:
    arguments = {"features": np.zeros((2, 32)), "psi": PSI, "initial": np.zeros(2, dtype=int)}
    options = {"fa": 0.4, "fb": 8.0, "loop_probability": 0.5}
    with pytest.raises(ValueError, match=message):
        vbx(**(arguments | options | changed))


@pytest.fixture(scope="module")
def meeting(shared_dir: Path) -> tuple[Path, Plda, np.ndarray, np.ndarray]:
    """ES2005a as VBx publishes it: folder, PLDA, x-vectors (n, 256), their times (n, 2) in seconds."""
    pytest.importorskip("h5py")
    folder = shared_dir / "data" / "vbx"
    names, xvectors = read_ark(folder / "ES2005a.ark")
    segments = [line.split() for line in (folder / "ES2005a.seg").read_text().splitlines()]
    assert [segment[0] for segment in segments] == names
    times = np.array([segment[2:] for segment in segments], dtype=np.float64)
    return folder, read_plda(folder / "plda", folder / "transform.h5"), xvectors, times


def read_ark(path: Path) -> tuple[list[str], np.ndarray]:
    """Names and float vectors of a binary Kaldi archive."""
    content, at = path.read_bytes(), 0
    names, vectors = [], []
    while at < len(content):
        blank = content.index(b" ", at)
        names.append(content[at:blank].decode())
        assert content[blank + 1 : blank + 7] == b"\0BFV \4"
        (size,) = struct.unpack_from("<i", content, blank + 7)
        vectors.append(np.frombuffer(content, "<f4", size, blank + 11))
        at = blank + 11 + 4 * size
    return names, np.stack(vectors)


def turns_of(times: np.ndarray, labels: np.ndarray) -> list[Turn]:
    """Windows to turns as VBx does: one speaker's are joined, two speakers' are cut amid their overlap."""
    turns: list[Turn] = []
    for (start, end), label in zip(times.tolist(), labels.tolist(), strict=True):
        last = turns[-1] if turns else None
        if last is not None and start <= last.end + 1e-6:
            if last.speaker == str(label):
                turns[-1] = Turn(last.recording, last.start, end, last.speaker)
                continue
            middle = (start + last.end) / 2
            turns[-1] = Turn(last.recording, last.start, middle, last.speaker)
            start = middle
        turns.append(Turn("ES2005a", start, end, str(label)))
    return turns


def error_rate(reference: Path, turns: list[Turn], **options: object) -> float:
    score = score_turns(read_rttm(reference), {"ES2005a": turns}, ScoreOptions(**options))
    return score.pooled.der


def test_published_result_is_reproduced(meeting: tuple[Path, Plda, np.ndarray, np.ndarray]) -> None:
    """Parameters of VBx's run_example.sh; 7.06 is what its README promises."""
    pytest.importorskip("pyannote.metrics")
    folder, plda, xvectors, times = meeting
    cosines = cosine_similarities(plda.project(xvectors))
    initial = average_linkage(cosines, two_gaussian_threshold(cosines) - 0.015)
    features = plda.transform(xvectors)
    assert features.shape == (1025, 128)
    result: VbxResult = vbx(
        features, plda.psi, initial, fa=0.3, fb=17.0, loop_probability=0.99, initial_smoothing=5.0
    )
    assert len(result.speakers) == 5
    turns = turns_of(times, result.labels)
    reference = folder / "ES2005a.reference.rttm"
    assert error_rate(folder / "ES2005a.rttm", turns) <= 0.005
    assert error_rate(reference, turns) == pytest.approx(0.2628, abs=5e-5)
    assert error_rate(reference, turns, collar=0.25, skip_overlap=True) == pytest.approx(0.0706, abs=5e-5)


def test_published_models_without_h5py(
    meeting: tuple[Path, Plda, np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    _, plda, xvectors, _ = meeting
    assert plda.length_norm == "unit"
    write_npz(tmp_path / "plda.npz", plda)
    found = read_plda(tmp_path / "plda.npz")
    np.testing.assert_array_equal(found.transform(xvectors), plda.transform(xvectors))
