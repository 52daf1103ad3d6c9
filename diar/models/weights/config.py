"""Options of `diar models`."""

from __future__ import annotations

from typing import ClassVar

from diar.models.defaults import DEFAULT_WEIGHTS
from diar.options.base import CommandConfig, option


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
