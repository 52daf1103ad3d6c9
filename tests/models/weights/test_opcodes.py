"""Opcodes are judged as `pickletools.genops` would judge them, byte for byte."""

import pickle
import pickletools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diar.models.weights.opcodes import check_opcodes

OBJECTS = [{"a": [1, -300, 2**40, 2**3000, 1.5, "é" * 300, b"x" * 300, None]}, pickle.Pickler, (1, 2)]
PICKLES = [pickle.dumps(OBJECTS, protocol) for protocol in range(6)]
HARMLESS = b"(S'text'\nI1\nL2L\nF1.5\nVtext\np7\ng7\niname\nspace\n."  # opcodes of protocol 0


def refused(pickled: bytes) -> bool:
    try:
        check_opcodes(pickled)
    except ValueError:
        return True
    return False


def refused_by_genops(pickled: bytes) -> bool:
    try:
        for opcode, argument, _ in pickletools.genops(pickled):
            far = opcode.name.endswith("PUT") and int(argument or 0) > len(pickled)
            if opcode.name.startswith("EXT") or far:
                return True
    except Exception:  # damaged in any of many ways
        return True
    return False


@pytest.mark.parametrize("pickled", [*PICKLES, HARMLESS])
def test_whole_pickles_pass_and_no_part_of_one_does(pickled: bytes) -> None:
    check_opcodes(pickled)
    assert all(refused(pickled[:end]) for end in range(len(pickled)))


@pytest.mark.parametrize(
    ("pickled", "told"),
    [
        (b"\x82\x01.", "extension registry"),
        (b"N0\x83\x01\x00.", "extension registry"),
        (b"\x8c\x01\x84\x84\x01\x00\x00\x00.", "extension registry"),  # the first is text
        (b"Np9999\n.", "damaged"),
        (b"Nr\xff\xff\xff\x7f.", "damaged"),
        (b"T\xff\xff\xff\xff.", "damaged"),  # a length of -1
        (b"\xff.", "unknown opcode 0xff"),
        (b"N", "cut off"),
    ],
)
def test_why_a_pickle_is_refused(pickled: bytes, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        check_opcodes(pickled)


@settings(max_examples=500)
@given(
    pickled=st.sampled_from([*PICKLES, HARMLESS]),
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=4),
)
def test_nothing_passes_that_genops_finds_dangerous(pickled: bytes, changes: list[tuple[float, int]]) -> None:
    changed = bytearray(pickled)
    for place, value in changes:
        changed[int(place * len(changed))] = value
    if refused(bytes(changed)):
        assert refused_by_genops(bytes(changed))
    else:  # arguments are not decoded, which the unpickler does; what is dangerous is seen by both
        try:
            found = [opcode.name for opcode, _, _ in pickletools.genops(bytes(changed))]
        except Exception:
            return
        assert not any(name.startswith("EXT") for name in found)
