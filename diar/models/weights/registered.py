"""Models of MLflow's registry: `models:/NAME/VERSION` and `models:/NAME@ALIAS` among the names of weights."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeVar

from diar.options.base import CommandConfig

SCHEME = "models:/"
KINDS = {"model": "speaker encoder", "segmentation": "segmentation model"}  # by the option that takes them
_OPTIONS = ("model", "segmentation", "second_segmentation")

ConfigT = TypeVar("ConfigT", bound=CommandConfig)


def is_registered(model: str | None) -> bool:
    """Return whether a name is one of a registry."""
    return model is not None and model.startswith(SCHEME)


def fetch_registered(model: str, parameter: str, cache: Path) -> Path:
    """Return the model directory of a registered model, in the cache after the first time.

    Args:
        model: its name in the registry.
        parameter: what messages call it.
        cache: of weights.

    Raises:
        HubError: it cannot be found or fetched, or is no model of that kind.
    """
    from diar.connectors.mlflow import registry
    from diar.connectors.mlflow.server import TrackingError
    from diar.models.weights.sources import HubError

    try:
        version, folder = registry.fetch(model, cache)
    except TrackingError as error:
        raise HubError(f"`{parameter}={model}`: {error}") from None
    if version.kind != KINDS.get(parameter):
        raise HubError(f"`{parameter}={model}`: that is a {version.kind or 'model of another kind'}")
    return folder


def with_versions(config: ConfigT, server: str | None = None) -> ConfigT:
    """Return a command's options with each alias replaced by the version that it stands for now.

    All processes of a run then open the same version, and results name it.

    Args:
        config: the options.
        server: address of the registry; None = the one that MLFLOW_TRACKING_URI names.

    Raises:
        HubError: there is no such model.
    """
    asked = {name: value for name in _OPTIONS if is_registered(value := getattr(config, name, None))}
    if not asked:
        return config
    from diar.connectors.mlflow.registry import find_version
    from diar.connectors.mlflow.server import TrackingError
    from diar.models.weights.sources import HubError

    if server is not None:
        os.environ["MLFLOW_TRACKING_URI"] = server  # for the processes that open them
    versions = {}
    for name, model in asked.items():
        try:
            versions[name] = find_version(str(model)).uri
        except TrackingError as error:
            raise HubError(f"`{name}={model}`: {error}") from None
    return config.model_copy(update=versions)
