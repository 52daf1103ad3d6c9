"""One live stream: samples as they come → events."""

from __future__ import annotations

import numpy as np

from diar.detect.linking.known import KnownSpeakers
from diar.online.events import Event, LiveTurn
from diar.online.models import LiveModels
from diar.online.settings import LiveSettings


class Stream:
    """The case of one stream; `Engine` computes several together.

    Events depend on the samples alone, not on how they are cut into blocks, nor on other streams.

    Args:
        models: the networks.
        settings: see there.
        known: enrolled voices.
    """

    def __init__(
        self, models: LiveModels, settings: LiveSettings | None = None, known: KnownSpeakers | None = None
    ) -> None:
        raise NotImplementedError

    @property
    def time(self) -> float:
        """Seconds that were fed."""
        raise NotImplementedError

    @property
    def turns(self) -> list[LiveTurn]:
        """All turns so far, ascending by start; those that are open, too."""
        raise NotImplementedError

    @property
    def names(self) -> dict[str, str]:
        """Names of the speakers that have one."""
        raise NotImplementedError

    def feed(self, samples: np.ndarray) -> list[Event]:
        """Take samples (n,) float32 mono at 16 kHz in ±1, any number of them; return what is new.

        The first call also gives `session.started`.

        Raises:
            DiarError: another shape or type, values that are not finite, or a stream that is finished.
        """
        raise NotImplementedError

    def finalize(self) -> list[Event]:
        """Look at what was fed since the last hop, end open turns and make all turns final."""
        raise NotImplementedError

    def finish(self) -> list[Event]:
        """`finalize`, then `session.ended`; nothing can be fed afterwards."""
        raise NotImplementedError

    def rename(self, speaker: str, name: str) -> list[Event]:
        """Give a speaker a name.

        Raises:
            DiarError: no such speaker, or an empty name.
        """
        raise NotImplementedError

    def state(self) -> bytes:
        """Return all that is needed to go on elsewhere; no pickle, versioned."""
        raise NotImplementedError

    @classmethod
    def restore(
        cls,
        models: LiveModels,
        settings: LiveSettings | None,
        state: bytes,
        known: KnownSpeakers | None = None,
    ) -> Stream:
        """Return the stream of a `state`; its next `feed` begins with `session.started`, restored.

        Raises:
            DiarError: not such a state, or of other models.
        """
        raise NotImplementedError
