"""The engine of live streams as sessions use it: it speaks of streams by their keys, in plain values.

So it may be in another process (`process`).
"""

from __future__ import annotations

import functools
import time
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np

from diar.api.encoder import Encoder, Segmentation, open_encoder, open_segmentation
from diar.api.enrol import enrol
from diar.models.memory import RETURN_EVERY, return_free_memory
from diar.online.engine import Engine
from diar.online.events import Event
from diar.online.models import LiveModels, OpenTrunk
from diar.online.settings import SAMPLE_RATE, LiveSettings
from diar.service.computing.streams import Begun, Checkpoint, Renewed
from diar.service.config import ServeConfig

_WARM = "warm-up"  # key of the stream that warms up; sessions begin with s_


class ServiceEngine(Engine):
    """An engine whose streams know the voices of `known_speakers`.

    Args:
        models: the networks.
        config: of the service.

    Raises:
        DiarError: `known_speakers` holds no voices.
    """

    def __init__(self, models: LiveModels, config: ServeConfig) -> None:
        super().__init__(models, LiveSettings(hop=config.hop))
        folder = config.known_speakers
        self._people = None if folder is None else enrol(folder, *_networks(config), "known_speakers")
        self._tidied = time.monotonic()

    @classmethod
    def of(cls, config: ServeConfig) -> ServiceEngine:
        """Open the networks that the options name."""
        models = LiveModels.open(
            config.model,
            config.segmentation,
            device=config.device,
            precision=config.precision,
            open_trunk=_other_trunk(config),
        )
        return cls(models, config)

    def begin(self, key: str, settings: LiveSettings, past: Checkpoint | None = None) -> Begun:
        """Add a stream that knows these voices.

        Args:
            key: of the stream.
            settings: of the stream.
            past: that it goes on from.

        Raises:
            DiarError: as `Engine.open`.
        """
        if past is None:
            stream = self.open(key, settings, self._people)
        else:
            how = {"chunks": past.chunks.values(), "unnoticed": past.unnoticed}
            stream = self.open(key, settings, self._people, past.state, **how)
            stream.words_done = past.words_done
        return Begun(stream.time, stream.turns, stream.names, stream.last_samples(stream.words_done))

    def feed(self, samples: Mapping[Hashable, np.ndarray]) -> dict[Hashable, list[Event]]:
        """Do what `Engine.feed` does; every few seconds, give free memory back to the system.

        What streams keep lies between the networks' arrays, so that these are never twice at the same places.
        """
        events = super().feed(samples)
        if time.monotonic() >= self._tidied + RETURN_EVERY:
            return_free_memory()
            self._tidied = time.monotonic()
        return events

    def rename(self, key: str, speaker: str, name: str) -> list[Event]:
        """Do what `Stream.rename` does."""
        return self[key].rename(speaker, name)

    def tell_words(self, key: str, *told: Any) -> list[Event]:
        """Do what `Stream.tell_words` does."""
        return self[key].tell_words(*told)

    def state(self, key: str) -> tuple[bytes, float]:
        """Return what `Stream.state` does, and the second up to which words were told."""
        return self[key].state(), self[key].words_done

    def checkpoint(self, key: str, known: frozenset[int]) -> Checkpoint:
        """Return all that a stream goes on from; tracks of chunks that are `known` are empty."""
        stream = self[key]
        kept, new = stream.chunks(known)
        chunks = {number: new.get(number, b"") for number in sorted(kept)}
        return Checkpoint(stream.state(0), stream.words_done, chunks, unnoticed=True)

    def renew(self, key: str, seq: int) -> Renewed:
        """Return what holds now of a stream of which other things were told, in events up to `seq`."""
        stream = self[key]
        stream.skip_to(seq + 1)  # a number is left out, so that whoever listens notices
        return Renewed(stream.seq, stream.turns, stream.names)

    def check(self) -> None:
        """Do nothing: it lives as long as this process."""

    def warm_up(self) -> dict[str, str]:
        """Let the networks compute once; return what they are."""
        self._models.warm_up()
        noise = 0.01 * np.random.default_rng(0).standard_normal(3 * SAMPLE_RATE).astype(np.float32)
        events = self.open(_WARM).feed(noise)
        self.drop(_WARM)
        models: dict[str, str] = events[0].models  # type: ignore[attr-defined]
        return models


def _other_trunk(config: ServeConfig) -> OpenTrunk | None:
    """Return what opens another engine than torch for the encoder's trunk."""
    if config.backend == "torch":
        return None
    from diar.export.backend import open_trunk

    return functools.partial(
        open_trunk, backend=config.backend, provider=config.provider, threads=config.threads
    )


def _networks(config: ServeConfig) -> tuple[Encoder, Segmentation]:
    return open_encoder(config.model, device=config.device), open_segmentation(config.segmentation)
