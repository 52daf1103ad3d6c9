"""safetensors are read as the package reads them; a damaged file is refused before memory is taken."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from diar.models.encoders.base import ModelError
from diar.models.weights.safetensors import read_safetensors
from tests.models.segmentation.sortformer.cases import with_header, write_safetensors

TENSORS = {
    "matrix": torch.arange(6.0).reshape(2, 3),
    "half": torch.tensor([0.5, -2.0, 7.25], dtype=torch.float16),
    "brain": torch.tensor([[1.5]], dtype=torch.bfloat16),
    "none": torch.empty(0, 4),
    "last": torch.tensor([-1e30]),
}


def place(begin: int, end: int, shape: list[Any], kind: str = "F32") -> dict[str, Any]:
    return {"dtype": kind, "shape": shape, "data_offsets": [begin, end]}


def assert_same(found: dict[str, torch.Tensor]) -> None:
    assert found.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)


def test_tensors_come_back(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "a.safetensors", TENSORS)
    assert_same(read_safetensors(tmp_path / "a.safetensors"))


def test_what_the_package_writes(tmp_path: Path) -> None:
    package = pytest.importorskip("safetensors.torch")
    package.save_file(TENSORS, tmp_path / "a.safetensors", metadata={"format": "pt"})
    assert_same(read_safetensors(tmp_path / "a.safetensors"))


EIGHT = b"12345678"
ONE = json.dumps(place(0, 4, [1])).encode()
BAD: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "claims 0 bytes in a file of 0"),
    "short": (b"\x01\x00", "claims 1 bytes in a file of 2"),
    "header beyond the end": (b"\xff" * 8 + b"{}", "claims 18,446,744,073,709,551,615 bytes"),
    "no JSON": (with_header(b"{'a'}", b""), "Expecting property name"),
    "no UTF-8": (with_header(b'{"\xff": 1}', b""), "utf-8"),
    "nested": (with_header(b"[" * 100_000, b""), "nested too deeply"),
    "a list": (with_header([1], b""), "no tensors by name"),
    "no offsets": (with_header({"a": {"dtype": "F32", "shape": [2]}}, EIGHT), "a has not dtype"),
    "texts": (with_header({"a": place(0, 8, [2]) | {"data_offsets": ["0", "8"]}}, EIGHT), "a has not dtype"),
    "whole numbers": (with_header({"a": place(0, 8, [1], "I64")}, EIGHT), "I64; F32, F16, BF16 are read"),
    "negative": (with_header({"a": place(0, 8, [-1, -2])}, EIGHT), "a has a shape that no tensor has"),
    "fraction": (with_header({"a": place(0, 8, [2.0])}, EIGHT), "a has a shape that no tensor has"),
    "dimensions": (with_header({"a": place(0, 4, [1] * 9)}, b"1234"), "a has a shape that no tensor has"),
    "huge": (with_header({"a": place(0, 8, [10**15, 10**15])}, EIGHT), "a takes 8 bytes, but its shape"),
    "gap": (with_header({"a": place(4, 8, [1])}, EIGHT), "a begins at byte 4 of the numbers, not at 0"),
    "before": (with_header({"a": place(-4, 4, [2])}, EIGHT), "a begins at byte -4"),
    "overlap": (with_header({"a": place(0, 8, [2]), "b": place(4, 8, [1])}, EIGHT), "b begins at byte 4"),
    "cut off": (with_header({"a": place(0, 12, [3])}, EIGHT), "take 12 bytes, but 8 follow"),
    "more": (with_header({"a": place(0, 4, [1])}, EIGHT), "take 4 bytes, but 8 follow"),
    "twice": (with_header(b'{"a": %s, "a": %s}' % (ONE, ONE), b"1234" * 2), "take 4 bytes, but 8 follow"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_damaged_file_is_refused(case: str, tmp_path: Path) -> None:
    content, error = BAD[case]
    file = tmp_path / "model.safetensors"
    file.write_bytes(content)
    with pytest.raises(ModelError, match=r"model\.safetensors cannot be read as safetensors: ") as refused:
        read_safetensors(file)
    assert error in str(refused.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read as safetensors: "):
        read_safetensors(tmp_path / "model.safetensors")


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_changed_bytes_are_read_or_refused(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("changed")
    write_safetensors(folder / "a", TENSORS)
    content = bytearray((folder / "a").read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (folder / "a").write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        found = read_safetensors(folder / "a")
    except ModelError:
        return
    assert sum(tensor.numel() * tensor.itemsize for tensor in found.values()) <= len(content)
