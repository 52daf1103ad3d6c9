"""Versions of a model: names, canaries, and who answers."""

import pytest

from diar.errors import DiarError
from diar.service.speech.versions import chosen, parse_versions


def test_names_weights_and_shares_are_read() -> None:
    found = parse_versions(["/models/new/", "fast=espeak", "fast=/m/other*0.25"])
    assert {name: [(one.weights, one.share) for one in own] for name, own in found.items()} == {
        "new": [("/models/new/", 0.0)],
        "fast": [("espeak", 0.0), ("/m/other", 0.25)],
    }
    assert found["fast"][1].label == "fast@other"


@pytest.mark.parametrize("entries", [["a=b=c"], ["a=espeak*1.5"], ["a=espeak*0.1"], ["a=x", "a=y"], [""]])
def test_what_leaves_the_choice_open_is_refused(entries: list[str]) -> None:
    with pytest.raises(DiarError, match="`voices"):
        parse_versions(entries)


def test_a_canary_gets_its_share_and_the_same_request_the_same_version() -> None:
    versions = parse_versions(["a=main", "a=canary*0.25", "b=other"])
    asked = [chosen(versions, "a", f"request {i}") for i in range(2000)]
    share = sum(one.weights == "canary" for one in asked if one) / 2000
    assert 0.22 < share < 0.28
    assert asked == [chosen(versions, "a", f"request {i}") for i in range(2000)]
    assert chosen(versions, "tts-1", "x") in versions["a"]
    assert chosen(versions, "c", "x") is None
