"""The engine of live streams, with the networks and the known voices that the options name."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from diar.api.encoder import Encoder, Segmentation, open_encoder, open_segmentation
from diar.api.enrol import enrol
from diar.online.engine import Engine
from diar.online.models import LiveModels
from diar.online.settings import LiveSettings
from diar.online.stream import Stream
from diar.service.config import ServeConfig
from diar.spawning import usable_cores


class ServiceEngine(Engine):
    """An engine whose streams know the voices of `known_speakers`.

    Args:
        models: the networks.
        config: of the service.

    Raises:
        DiarError: `known_speakers` holds no voices.
    """

    def __init__(self, models: LiveModels, config: ServeConfig) -> None:
        workers = config.workers or max(1, len(usable_cores()))
        super().__init__(models, LiveSettings(hop=config.hop), workers=workers)
        folder = config.known_speakers
        self._people = None if folder is None else enrol(folder, *_networks(config), "known_speakers")

    def begin(self, key: Hashable, settings: LiveSettings, state: bytes | None = None) -> Stream:
        """Add a stream that knows these voices; see `Engine.open`."""
        return self.open(key, settings, self._people, state)


def engine_opener(config: ServeConfig) -> Callable[[], ServiceEngine]:
    """Return what opens the engine, in the thread that will use it."""

    def open_engine() -> ServiceEngine:
        models = LiveModels.open(
            config.model, config.segmentation, device=config.device, precision=config.precision
        )
        return ServiceEngine(models, config)

    return open_engine


def _networks(config: ServeConfig) -> tuple[Encoder, Segmentation]:
    return open_encoder(config.model, device=config.device), open_segmentation(config.segmentation)
