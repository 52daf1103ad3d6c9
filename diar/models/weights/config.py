"""Options of `diar models`."""

from __future__ import annotations

from typing import ClassVar

from diar.options.base import CommandConfig, option


class ListModelsConfig(CommandConfig):
    """All named weights."""

    environment_prefix: ClassVar[str] = "DIAR_MODELS_LIST_"


class FetchModelConfig(CommandConfig):
    """Named weights to bring into the cache."""

    environment_prefix: ClassVar[str] = "DIAR_MODELS_FETCH_"

    name: str = option(..., "weights", "a name of `diar models list`", positional=True)


class ShowModelConfig(CommandConfig):
    """Named weights to describe."""

    environment_prefix: ClassVar[str] = "DIAR_MODELS_SHOW_"

    name: str = option(..., "weights", "a name of `diar models list`", positional=True)
