"""The engine of live streams, with the networks that the options name."""

from __future__ import annotations

from collections.abc import Callable

from diar.online.engine import Engine
from diar.online.models import LiveModels
from diar.online.settings import LiveSettings
from diar.service.config import ServeConfig


def engine_opener(config: ServeConfig) -> Callable[[], Engine]:
    """Return what opens the engine, in the thread that will use it."""

    def open_engine() -> Engine:
        models = LiveModels.open(
            config.model, config.segmentation, device=config.device, precision=config.precision
        )
        return Engine(models, LiveSettings(hop=config.hop))

    return open_engine
