"""Checkpoints are read without running them, whatever is in them."""

import builtins
import copyreg
import io
import os
import pathlib
import pickle
import resource
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from diar.models.encoders.base import ModelError
from diar.models.encoders.wespeaker import build_encoder
from diar.models.weights.checkpoint import load_strictly, read_state_dict
from diar.models.weights.checksum import file_sha256

WEIGHTS = OrderedDict(
    weight=torch.arange(6.0).reshape(2, 3).T,
    bias=torch.tensor([1.5, -2.0], dtype=torch.float64)[1:],
    half=torch.ones(3, dtype=torch.float16),
    count=torch.tensor(7),
)


class Reduces:
    """Unpickles to a call of whatever it was given."""

    def __init__(self, *reduction: Any) -> None:
        self.reduction = reduction

    def __reduce__(self) -> tuple[Any, ...]:
        return self.reduction


def attacks(marker: Path) -> dict[str, Any]:
    """Objects that write the marker when a pickle of them is loaded without care."""
    write = f"open({str(marker)!r}, 'w').close()"
    run = Reduces(builtins.exec, (write,))
    return {
        "os.system": Reduces(os.system, (f"touch '{marker}'",)),
        "eval": Reduces(builtins.eval, (write,)),
        "exec": run,
        "dotted name": Reduces(pathlib.Path.touch, (marker,)),
        "nested": {"a": [({"b": {"c": (run, 1)}},)]},
        "argument of a call": Reduces(print, (Reduces(print, (run,)),)),
        "argument of a harmless class": Reduces(OrderedDict, ([("key", run)],)),
        "state": Reduces(OrderedDict, (), {"items": run, "__dict__": run}),
        "state of a torch class": Reduces(torch.nn.Linear, (1, 1), {"_parameters": run, "forward": run}),
        "state setter": Reduces(str, (write,), {}, None, None, builtins.exec),
        "list items": Reduces(list, (), None, iter([run, run])),
        "dictionary items": Reduces(OrderedDict, (), None, None, iter([("key", run)])),
        "torch's unpickler": Reduces(torch.storage._load_from_bytes, (saved(run),)),
        "a tensor's storage": Reduces(torch._utils._rebuild_tensor_v2, (run, 0, (1,), (1,), False, {})),
        "a tensor's hooks": Reduces(
            torch._utils._rebuild_tensor_v2,
            (torch.ones(1).untyped_storage(), 0, (1,), (1,), False, {0: run}),
        ),
    }


def saved(content: Any, protocol: int = 2) -> bytes:
    file = io.BytesIO()
    torch.save(content, file, pickle_protocol=protocol)
    return file.getvalue()


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("name", list(attacks(Path("marker"))))
def test_nothing_in_a_file_is_executed(tmp_path: Path, name: str, protocol: int) -> None:
    marker, file = tmp_path / "marker", tmp_path / "model.bin"
    content = {"before": attacks(marker)[name], "state_dict": WEIGHTS, "after": attacks(marker)[name]}
    file.write_bytes(saved(content, protocol))
    try:
        torch.load(file, weights_only=False)
    except Exception as error:  # the attack itself may break the loading, after it ran
        print(error)
    assert marker.exists(), "this attack would not show"
    marker.unlink()

    assert_equal(read_state_dict(file), WEIGHTS)
    assert not marker.exists()


@pytest.mark.parametrize("name", list(attacks(Path("marker"))))
def test_an_attack_in_place_of_a_tensor_or_of_all_is_refused(tmp_path: Path, name: str) -> None:
    marker, file = tmp_path / "marker", tmp_path / "model.bin"
    places: list[Callable[[Any], Any]] = [
        lambda attack: attack,
        lambda attack: {"state_dict": attack},
        lambda attack: {"state_dict": {"weight": attack}},
        lambda attack: {Reduces(tuple, ([attack],)): WEIGHTS["bias"]},
    ]
    for place in places:
        file.write_bytes(saved(place(attacks(marker)[name])))
        with pytest.raises(ModelError, match=r"model\.bin"):
            read_state_dict(file)
    assert not marker.exists()


def test_no_module_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    marker = tmp_path / "marker"
    (tmp_path / "bomb.py").write_text(f"open({str(marker)!r}, 'w').close()\nclass Specifications: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    for names in (b"cbomb\nSpecifications\n", b"(ibomb\nSpecifications\n", b"\x8c\x04bomb\x8c\x01S\x93"):
        write_archive(tmp_path / "model.bin", b"\x80\x04" + names + b".")
        with pytest.raises(ModelError, match="no state dict"):
            read_state_dict(tmp_path / "model.bin")
    assert "bomb" not in sys.modules
    assert not marker.exists()


@pytest.mark.parametrize(
    "known",
    ["collections\nOrderedDict", "torch\nFloatStorage", "torch._utils\n_rebuild_tensor_v2", "os\nsystem"],
)
@pytest.mark.parametrize(
    "change", [b"}S'__call__'\nI1\nsb", b"N}S'__call__'\nI1\ns\x86b", b"I1\na", b"I1\nI2\ns"]
)
def test_a_file_changes_nothing_for_the_next_one(tmp_path: Path, known: str, change: bytes) -> None:
    for create in (b"", b")R", b")\x81"):
        write_archive(
            tmp_path / "hostile.bin", b"\x80\x02c" + known.encode() + b"\n" + create + change + b"."
        )
        with pytest.raises(ModelError):
            read_state_dict(tmp_path / "hostile.bin")
    (tmp_path / "model.pt").write_bytes(saved(WEIGHTS))
    assert_equal(read_state_dict(tmp_path / "model.pt"), WEIGHTS)


def test_the_extension_registry_is_not_asked(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    copyreg.add_extension("builtins", "exec", 240)
    try:
        attack = pickle.dumps(attacks(marker)["exec"], protocol=2)
        pickle.loads(attack)  # from now on the unpickler has it in its cache
        assert marker.exists()
        marker.unlink()
        write_archive(tmp_path / "model.bin", attack)
        with pytest.raises(ModelError, match="extension registry"):
            read_state_dict(tmp_path / "model.bin")
        assert not marker.exists()
    finally:
        copyreg.remove_extension("builtins", "exec", 240)


def write_archive(
    file: Path, description: bytes, members: dict[str, bytes] | None = None, **options: Any
) -> None:
    with zipfile.ZipFile(file, "w", **options) as archive:
        archive.writestr("archive/data.pkl", description)
        for name, content in (members or {}).items():
            archive.writestr(f"archive/{name}", content)


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize(
    "wrap", [lambda weights: weights, lambda weights: {"epoch": 1, "state_dict": weights}]
)
def test_tensors_are_those_that_torch_reads(
    tmp_path: Path, protocol: int, wrap: Callable[[Any], Any]
) -> None:
    (tmp_path / "model.pt").write_bytes(saved(wrap(WEIGHTS), protocol))
    assert_equal(read_state_dict(tmp_path / "model.pt"), WEIGHTS)


def test_both_published_forms_are_the_same_tensors(segmentation_dir: Path) -> None:
    plain = segmentation_dir / "segmentation.pt"
    expected = torch.load(plain, weights_only=True)["state_dict"]
    assert_equal(read_state_dict(plain), expected)
    if (segmentation_dir / "pytorch_model.bin").is_file():
        assert_equal(read_state_dict(segmentation_dir / "pytorch_model.bin"), expected)


def test_trained_parameters_and_nested_wrappings_are_read(tmp_path: Path) -> None:
    trained = {f"module.{name}": torch.nn.Parameter(tensor.float()) for name, tensor in WEIGHTS.items()}
    (tmp_path / "model.pt").write_bytes(saved({"model": {"state_dict": trained, "epoch": 3}}))
    assert_equal(read_state_dict(tmp_path / "model.pt"), {k: v.float() for k, v in WEIGHTS.items()})


def test_files_before_pytorch_1_6_are_told_apart(tmp_path: Path) -> None:
    torch.save(WEIGHTS, tmp_path / "model.pt", _use_new_zipfile_serialization=False)
    with pytest.raises(ModelError, match=r"not a zip file, as PyTorch since 1\.6 writes"):
        read_state_dict(tmp_path / "model.pt")


def assert_equal(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert list(found) == list(expected)
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=0, atol=0)


def tensor_description(size: str, offset: str, shape: str, strides: str) -> bytes:
    """A state dict of one tensor over storage "0"."""
    storage = f"(V{'storage'}\nctorch\nFloatStorage\nV0\nVcpu\n{size}tQ"
    return f"(dVx\nctorch._utils\n_rebuild_tensor_v2\n({storage}{offset}{shape}{strides}I00\nNtRs.".encode()


@pytest.mark.parametrize(
    ("size", "offset", "shape", "strides", "told"),
    [
        ("I5\n", "I0\n", "(I4\nt", "(I1\nt", "does not hold 5"),
        ("I4\n", "I1\n", "(I4\nt", "(I1\nt", "within"),
        ("I4\n", "I-1\n", "(I4\nt", "(I1\nt", "within"),
        ("I4\n", "I4611686018427387904\n", "(I1\nt", "(I1\nt", "within"),  # × 4 bytes wraps round to 0
        ("I4\n", "I0\n", "(I2\nt", "(I4611686018427387904\nt", "within"),
        ("I4\n", "I0\n", "(I1000000000000\nt", "(I0\nt", "within"),
        ("I4\n", "I3\n", "(I2\nt", "(I-1\nt", "within"),
        ("I4\n", "I0\n", "(I4\nt", "(I1\nI1\nt", "zip"),
        ("I4\n", "Vtext\n", "(I4\nt", "(I1\nt", "model"),
    ],
)
def test_a_tensor_stays_in_its_storage(
    tmp_path: Path, size: str, offset: str, shape: str, strides: str, told: str
) -> None:
    numbers = {"data/0": torch.arange(4.0).numpy().tobytes()}
    file = tmp_path / "model.bin"
    write_archive(file, tensor_description("I4\n", "I0\n", "(I4\nt", "(I1\nt"), numbers)
    assert read_state_dict(file)["x"].tolist() == [0, 1, 2, 3]
    write_archive(file, tensor_description(size, offset, shape, strides), numbers)
    with pytest.raises(ModelError, match=told):
        read_state_dict(file)


def test_files_that_are_no_checkpoints_are_named(tmp_path: Path) -> None:
    file = tmp_path / "model.bin"
    with pytest.raises(ModelError, match=r"model\.bin"):
        read_state_dict(file)
    valid = saved(WEIGHTS)
    for content in (b"", b"text", pickle.dumps(dict(WEIGHTS)), valid[:-30], valid[: len(valid) // 2]):
        file.write_bytes(content)
        with pytest.raises(ModelError, match=r"model\.bin"):
            read_state_dict(file)
    write_archive(file, b"}.", compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(ModelError, match="compressed"):
        read_state_dict(file)
    write_archive(file, b"}.", {"byteorder": b"big"})
    with pytest.raises(ModelError, match="big-endian"):
        read_state_dict(file)
    write_archive(file, b"}.", {"more/data.pkl": b"}."})
    with pytest.raises(ModelError, match="2 members"):
        read_state_dict(file)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=4))
def test_any_damage_is_an_error_or_does_not_matter(tmp_path: Path, changes: list[tuple[float, int]]) -> None:
    with zipfile.ZipFile(io.BytesIO(saved({"state_dict": WEIGHTS, "cargo": print}))) as archive:
        folder = archive.namelist()[0].split("/")[0]
        members = {name.removeprefix(f"{folder}/"): archive.read(name) for name in archive.namelist()}
    description = bytearray(members.pop("data.pkl"))
    for place, value in changes:
        description[int(place * len(description))] = value
    write_archive(tmp_path / "model.bin", bytes(description), members)
    try:
        tensors = read_state_dict(tmp_path / "model.bin")
    except ModelError:
        return
    assert all(torch.is_tensor(tensor) and tensor.sum().ndim == 0 for tensor in tensors.values())


def test_loading_is_strict(tmp_path: Path) -> None:
    network, file = torch.nn.Linear(2, 3), tmp_path / "model.pt"
    weights = network.state_dict()
    wrong = {
        "1 missing": {"weight": weights["weight"]},
        "1 unknown": weights | {"more": torch.ones(1)},
        r"of another shape \(bias \(1,\) instead of \(3,\)": weights | {"bias": torch.ones(1)},
        "1 not finite": weights | {"bias": torch.tensor([0.0, float("nan"), 0.0])},
    }
    for told, given_weights in wrong.items():
        with pytest.raises(ModelError, match=rf"model\.pt.*{told}.*Do this"):
            load_strictly(network, given_weights, file, "Do this")
    load_strictly(network, {"weight": torch.ones(3, 2), "bias": torch.ones(3)}, file, "Do this")
    assert network(torch.ones(2)).tolist() == [3, 3, 3]


def test_sha256_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    assert file_sha256(tmp_path / "abc").startswith("ba7816bf8f01cfea")


def test_a_member_that_claims_more_than_the_file_is_not_made_room_for(tmp_path: Path) -> None:
    content = bytearray(saved({"state_dict": WEIGHTS}))
    claim = (2**32 - 2).to_bytes(4, "little")
    at = content.find(b"PK\x01\x02")
    while at >= 0:  # sizes in the directory of the archive
        if b"/data/0" in content[at : at + 80]:
            content[at + 20 : at + 28] = claim + claim
        at = content.find(b"PK\x01\x02", at + 4)
    (tmp_path / "model.bin").write_bytes(content)
    with pytest.raises(ModelError, match="claims 4,294,967,294 bytes in a file of"):
        read_state_dict(tmp_path / "model.bin")


@pytest.mark.parametrize("sizes", [{"embed_dim": 10**12}, {"growth_rate": 10**6}, {"feat_dim": 10**9}])
def test_a_network_of_128_gb_is_refused_before_it_takes_memory(tmp_path: Path, sizes: dict[str, int]) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ModelError, match="CAMPPlus cannot be built"):
        build_encoder("CAMPPlus", {"feat_dim": 80, **sizes}, 80, tmp_path / "config.yaml")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000  # kB
