"""Many live streams at once: hops that are due go through the networks together."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

import numpy as np

from diar.detect.linking.known import KnownSpeakers
from diar.online.events import Event
from diar.online.models import LiveModels
from diar.online.settings import LiveSettings
from diar.online.stream import Stream


class Engine:
    """The streams of a process; used by one thread.

    Args:
        models: the networks.
        settings: of streams that are opened without their own.
    """

    def __init__(self, models: LiveModels, settings: LiveSettings | None = None) -> None:
        raise NotImplementedError

    def open(
        self,
        key: Hashable,
        settings: LiveSettings | None = None,
        known: KnownSpeakers | None = None,
        state: bytes | None = None,
    ) -> Stream:
        """Add a stream, from `state` where it is given; return it for `turns`, `rename`, `state`, `finalize`.

        Raises:
            DiarError: the key is in use, or as `Stream.restore`.
        """
        raise NotImplementedError

    def feed(self, samples: Mapping[Hashable, np.ndarray]) -> dict[Hashable, list[Event]]:
        """Feed several streams; return the events of each.

        Raises:
            DiarError: as `Stream.feed`, or KeyError: no such stream; then nothing was fed.
        """
        raise NotImplementedError

    def close(self, key: Hashable) -> list[Event]:
        """Finish a stream and forget it; return its last events."""
        raise NotImplementedError

    def drop(self, key: Hashable) -> None:
        """Forget a stream without its last events; its `state` may go on elsewhere."""
        raise NotImplementedError
