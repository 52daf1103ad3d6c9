"""Options of `diar models`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from pydantic import field_validator

from diar.models.defaults import DEFAULT_WEIGHTS
from diar.options.base import CommandConfig, option
from diar.options.tracking import tracking_address


class ListModelsConfig(CommandConfig):
    """All named weights."""

    environment_prefix: ClassVar[str] = "DIAR_MODELS_LIST_"


class FetchModelConfig(CommandConfig):
    """Named weights to bring into the cache."""

    environment_prefix: ClassVar[str] = "DIAR_MODELS_FETCH_"

    name: str | None = option(
        None,
        "weights",
        "a name of `diar models list`, or several with commas between them; default all that `diar extract` "
        "uses by default",
        positional=True,
    )

    @property
    def names(self) -> list[str]:
        """Return the names, those of the defaults where none is given."""
        return list(DEFAULT_WEIGHTS) if self.name is None else [name.strip() for name in self.name.split(",")]


class ShowModelConfig(CommandConfig):
    """Named weights to describe."""

    environment_prefix: ClassVar[str] = "DIAR_MODELS_SHOW_"

    name: str = option(..., "weights", "a name of `diar models list`", positional=True)


class RegisterModelConfig(CommandConfig):
    """A model for a registry of MLflow."""

    environment_prefix: ClassVar[str] = "DIAR_MODELS_REGISTER_"

    model: str = option(
        ...,
        "model",
        "speaker encoder or segmentation model: named weights (`diar models list`), directory or Hugging "
        "Face id",
        positional=True,
    )
    name: str = option(..., "model", "of the registered model; another registration is its next version")
    alias: tuple[str, ...] = option(
        (),
        "model",
        "names for this version, such as champion, whatever had them before",
        several=True,
        metavar="NAME",
    )
    licence: str | None = option(
        None, "model", "of the weights, such as Apache-2.0; default: as `diar models list` says"
    )
    card: Path | None = option(
        None, "model", "Markdown file that tells of it; default: README.md of the directory", metavar="FILE"
    )
    scores: tuple[str, ...] = option(
        (),
        "model",
        "what it achieves: eer/VoxCeleb1-O=0.66%, der/AMI=0.188, or der/AMI=FILE of `diar score der --json`",
        several=True,
        metavar="METRIC/SET=VALUE",
    )
    mlflow: str | None = option(
        None, "registry", "address of the server; default: the variable MLFLOW_TRACKING_URI", metavar="URI"
    )
    mlflow_experiment: str = option("diar models", "registry", "experiment whose run holds the files")

    @field_validator("mlflow")
    @classmethod
    def _check_address(cls, value: str | None) -> str | None:
        return None if value is None else tracking_address(value)

    @field_validator("alias", "scores", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(value.split()) if isinstance(value, str) else value
