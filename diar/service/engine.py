"""The engine of live streams, with the networks and the known voices that the options name."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

from diar.api.encoder import open_encoder, open_segmentation
from diar.api.enrol import enrol
from diar.online.engine import Engine
from diar.online.models import LiveModels
from diar.online.settings import LiveSettings
from diar.online.stream import Stream
from diar.service.config import ServeConfig
from diar.spawning import usable_cores


class EngineWithPeople(Engine):
    """An engine whose streams know some voices.

    Args:
        models, settings, workers: as for `Engine`.
        people: their voices; None = nobody's.
    """

    def __init__(self, models: LiveModels, settings: LiveSettings, workers: int, people: Any) -> None:
        super().__init__(models, settings, workers=workers)
        self._people = people

    def open(
        self,
        key: Hashable,
        settings: LiveSettings | None = None,
        known: Any = None,
        state: bytes | None = None,
    ) -> Stream:
        """Add a stream, as `Engine.open` does."""
        return super().open(key, settings, known or self._people, state)


def engine_opener(config: ServeConfig) -> Callable[[], Engine]:
    """Return what opens the engine, in the thread that will use it."""

    def open_engine() -> Engine:
        models = LiveModels.open(
            config.model, config.segmentation, device=config.device, precision=config.precision
        )
        workers = config.workers or max(1, len(usable_cores()))
        people = None if config.known_speakers is None else _people(config, config.known_speakers)
        return EngineWithPeople(models, LiveSettings(hop=config.hop), workers, people)

    return open_engine


def _people(config: ServeConfig, folder: Path) -> Any:
    encoder = open_encoder(config.model, device=config.device)
    return enrol(folder, encoder, open_segmentation(config.segmentation), "known_speakers")
