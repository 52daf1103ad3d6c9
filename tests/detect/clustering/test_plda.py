"""PLDA models: every format, the whole chain in other words, and files that are damaged."""

import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.linalg import eigh

from diar.detect.clustering.plda import Plda, PldaError, XvectorTransform, read_plda, write_npz

SIZE = 6
WIDE = 9


def model(length: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, transform and psi (not sorted) of a model trained on vectors of that length."""
    rng = np.random.default_rng(seed)
    mean, transform = rng.standard_normal(SIZE), rng.standard_normal((SIZE, SIZE)) + 3 * np.eye(SIZE)
    psi = np.array([0.3, 2.5, 0.0, 4.0, 1.5, 0.7])
    inverse = np.linalg.inv(transform)
    scale = length / np.sqrt(mean @ mean + np.trace(inverse @ np.diag(1 + psi) @ inverse.T))
    return mean * scale, transform / scale, psi


def transform_arrays(seed: int = 1) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "mean1": rng.standard_normal(WIDE),
        "lda": rng.standard_normal((WIDE, SIZE)),
        "mean2": 0.1 * rng.standard_normal(SIZE),
    }


def kaldi_binary(mean: np.ndarray, transform: np.ndarray, psi: np.ndarray, kind: str = "D") -> bytes:
    def array(values: np.ndarray) -> bytes:
        sizes = b"".join(struct.pack("<bi", 4, size) for size in values.shape)
        letter = "VM"[values.ndim - 1]
        return f"{kind}{letter} ".encode() + sizes + values.astype({"D": "<f8", "F": "<f4"}[kind]).tobytes()

    return b"\0B<Plda> " + array(mean) + array(transform) + array(psi) + b"</Plda> "


def kaldi_text(mean: np.ndarray, transform: np.ndarray, psi: np.ndarray) -> bytes:
    def row(values: np.ndarray) -> str:
        return " ".join(repr(float(value)) for value in values)

    rows = "\n  ".join(row(values) for values in transform)
    return f"<Plda>  [ {row(mean)} ]\n [\n  {rows} ]\n [ {row(psi)} ]\n</Plda> ".encode()


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def assert_same(found: Plda, expected: Plda, tolerance: float = 1e-12) -> None:
    for name in ("mean", "diagonalizer", "psi"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=tolerance)
    assert found.length_norm == expected.length_norm


@pytest.mark.parametrize("length_norm", ["unit", "sqrt"])
def test_all_formats_give_one_model(tmp_path: Path, length_norm: str) -> None:
    arrays = model(1.0 if length_norm == "unit" else np.sqrt(SIZE))
    double = read_plda(write(tmp_path / "binary", kaldi_binary(*arrays)))
    assert double.length_norm == length_norm
    assert double.psi.tolist() == sorted(arrays[2], reverse=True)
    assert_same(read_plda(write(tmp_path / "text", kaldi_text(*arrays))), double)
    assert_same(read_plda(write(tmp_path / "float", kaldi_binary(*arrays, kind="F"))), double, 1e-5)
    np.savez(tmp_path / "model.npz", mu=arrays[0], tr=arrays[1], psi=arrays[2])
    assert_same(read_plda(tmp_path / "model.npz"), double)


@pytest.mark.parametrize("length_norm", ["unit", "sqrt"])
def test_npz_brings_everything_back(tmp_path: Path, length_norm: str) -> None:
    np.savez(tmp_path / "transform.npz", **transform_arrays())
    path = write(tmp_path / "plda", kaldi_binary(*model(1.0)))
    plda = read_plda(path, tmp_path / "transform.npz", length_norm=length_norm)
    write_npz(tmp_path / "all", plda)
    again = read_plda(tmp_path / "all")
    assert_same(again, plda)
    xvectors = np.random.default_rng(2).standard_normal((5, WIDE))
    np.testing.assert_allclose(again.transform(xvectors), plda.transform(xvectors))
    assert again.input_dimension == WIDE


@pytest.mark.parametrize("length_norm", ["unit", "sqrt"])
def test_the_chain_is_that_of_vbx(length_norm: str) -> None:
    """VBx's own derivation of the diagonalising transform; signs of its axes mean nothing."""
    mean, transform, psi = model(1.0)
    psi = psi + 0.1  # theirs needs an inverse
    order = np.argsort(-psi)
    arrays = transform_arrays()
    plda = Plda(mean, transform[order], psi[order], length_norm, XvectorTransform(**arrays))
    xvectors = np.random.default_rng(3).standard_normal((7, WIDE))

    lengths = (1, 1) if length_norm == "unit" else (np.sqrt(WIDE), np.sqrt(SIZE))
    expected = []
    for xvector in xvectors:
        centered = xvector - arrays["mean1"]
        reduced = arrays["lda"].T @ (lengths[0] * centered / np.linalg.norm(centered)) - arrays["mean2"]
        expected.append(lengths[1] * reduced / np.linalg.norm(reduced) - mean)
    within = np.linalg.inv(transform.T @ transform)
    between = np.linalg.inv(transform.T @ np.diag(1 / psi) @ transform)
    variances, axes = eigh(between, within)
    np.testing.assert_allclose(plda.psi, variances[::-1])
    features = plda.transform(xvectors)
    np.testing.assert_allclose(np.abs(features), np.abs(np.array(expected) @ axes[:, ::-1]))


def test_hdf5_transform(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    arrays = transform_arrays()
    with h5py.File(tmp_path / "transform.h5", "w") as file:
        for key, value in arrays.items():
            file[key] = value
    path = write(tmp_path / "plda", kaldi_text(*model(1.0)))
    found = read_plda(path, tmp_path / "transform.h5").xvector_transform
    assert found is not None
    for key, value in arrays.items():
        np.testing.assert_array_equal(getattr(found, key), value)
    content = (tmp_path / "transform.h5").read_bytes()
    with pytest.raises(PldaError, match=r"cut\.h5 is a damaged HDF5 file"):
        read_plda(path, write(tmp_path / "cut.h5", content[: len(content) // 2]))


def test_hdf5_without_h5py_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    path = write(tmp_path / "plda", kaldi_text(*model(1.0)))
    with pytest.raises(PldaError, match=r"transform\.h5, as HDF5.* needs .* h5py.*pip install 'h5py>="):
        read_plda(path, write(tmp_path / "transform.h5", b"\x89HDF\r\n\x1a\n"))


def test_every_cut_of_a_binary_file_is_noticed(tmp_path: Path) -> None:
    content = kaldi_binary(*model(1.0))
    for end in range(len(content) - 1):  # the last byte is a blank
        with pytest.raises(PldaError, match="cut is not a PLDA model"):
            read_plda(write(tmp_path / "cut", content[:end]))


@pytest.mark.parametrize(
    ("find", "replace", "message"),
    [
        (b"<Plda>", b"<Nnet>", "begins with b'<Nnet>"),
        (b"</Plda>", b"", "cut off, </Plda> is missing"),
        (b"[\n  ", b"[\n  7.5 ", "an array is damaged"),
        (b" 0.0 ", b" abc ", "an array is damaged"),
        (b" 0.0 ", b" nan ", "psi has values that are not finite numbers"),
        (b" 0.0 ", b" -1.0 ", "psi are variances .* least is -1"),
        (b" 0.0 ", b" 0.0 1.0 ", r"transform \(6, 6\), psi \(7,\) do not fit"),
        (b"]\n [ ", b"\n ", "2 arrays in brackets"),
        (b"</Plda>", b"\xff</Plda>", "begins as text and is none"),
    ],
)
def test_damaged_text_files(tmp_path: Path, find: bytes, replace: bytes, message: str) -> None:
    content = kaldi_text(*model(1.0))
    assert find in content
    with pytest.raises(PldaError, match=message):
        read_plda(write(tmp_path / "plda", content.replace(find, replace, 1)))


def test_damaged_npz(tmp_path: Path) -> None:
    mean, transform, psi = model(1.0)
    arrays = {"mu": mean, "tr": transform, "psi": psi}
    path = tmp_path / "plda.npz"
    for changed, message in (
        ({"lda": np.eye(SIZE)}, r"holds \['lda'\] of an x-vector transform"),
        (transform_arrays() | {"lda": np.ones((WIDE, 5))}, r"lda \(9, 5\).* do not fit a PLDA model of 6"),
        ({"tr": np.ones((SIZE, SIZE))}, "transform is singular"),
        ({"mu": np.array(["a"] * SIZE)}, "mu has values that are not finite numbers"),
        ({"psi": np.zeros(SIZE)}, "not all 0"),
        ({"mu": 100 * mean, "tr": transform / 100}, "trained on vectors of length 100, neither 1 nor 2.45"),
        ({"length_norm": np.array("long")}, "length_norm is 'long'"),
    ):
        np.savez(path, **(arrays | changed))
        with pytest.raises(PldaError, match=message):
            read_plda(path)
    np.savez(path, mu=mean, psi=psi)
    with pytest.raises(PldaError, match=r"lacks \['tr'\]"):
        read_plda(path)
    content = path.read_bytes()
    with pytest.raises(PldaError, match=r"is a damaged \.npz"):
        read_plda(write(path, content[: len(content) // 2]))
    with pytest.raises(PldaError, match="an x-vector transform is needed"):
        read_plda(write(tmp_path / "plda", kaldi_text(*model(1.0))), write(tmp_path / "transform", b"<Plda>"))


def test_an_npz_never_runs_code(tmp_path: Path) -> None:
    mean, transform, _ = model(1.0)
    np.savez(tmp_path / "plda.npz", mu=mean, tr=transform, psi=np.array([print], dtype=object))
    with pytest.raises(PldaError, match=r"is a damaged \.npz .*allow_pickle=False"):
        read_plda(tmp_path / "plda.npz")


def test_embeddings_that_do_not_fit() -> None:
    mean, transform, psi = model(1.0)
    plda = Plda(mean, transform, psi, "unit")
    with pytest.raises(PldaError, match=r"made for embeddings \(n, 6\), these are \(2, 192\)"):
        plda.transform(np.ones((2, 192)))
    with pytest.raises(PldaError, match="embedding 1 of 2 has values that are not finite"):
        plda.transform(np.array([[1.0] * SIZE, [np.nan] * SIZE]))
    assert np.isfinite(plda.transform(np.zeros((1, SIZE)))).all()
