"""What a lane asks of an engine, and what it gets: plain values, as the engine may be in another process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np

from diar.online.events import Event, LiveTurn
from diar.online.settings import LiveSettings


class EngineGone(Exception):
    """The engine has ended, and with it all its streams."""


class Begun(NamedTuple):
    """What a stream knows when it begins; more than nothing where it goes on."""

    time: float  # seconds that were fed
    turns: list[LiveTurn]
    names: dict[str, str]
    heard: np.ndarray  # samples from where its words are not certain, as far as they are kept


class Checkpoint(NamedTuple):
    """What a stream goes on from."""

    state: bytes  # see `Stream.state`
    words_done: float = 0.0  # second up to which words were told
    chunks: Mapping[int, bytes] = {}  # tracks that are not in the state
    unnoticed: bool = False  # whoever listens goes on, too


class Renewed(NamedTuple):
    """A stream went on otherwise than was told: what holds now, in place of events up to `seq`."""

    seq: int
    turns: list[LiveTurn]
    names: dict[str, str]


class LaneEngine(Protocol):
    """What a lane computes with; see `ServiceEngine`."""

    def begin(  # noqa: D102
        self, key: str, settings: LiveSettings, past: Checkpoint | None = None
    ) -> Begun: ...
    def feed(self, samples: Mapping[Any, np.ndarray]) -> Mapping[Any, list[Event]]: ...  # noqa: D102
    def finalize(self, key: str) -> list[Event]: ...  # noqa: D102
    def rename(self, key: str, speaker: str, name: str) -> list[Event]: ...  # noqa: D102
    def state(self, key: str) -> tuple[bytes, float]: ...  # noqa: D102
    def tell_words(self, key: str, *told: Any) -> list[Event]: ...  # noqa: D102
    def close(self, key: str) -> list[Event]: ...  # noqa: D102
    def drop(self, key: str) -> None: ...  # noqa: D102
    def warm_up(self) -> dict[str, str]: ...  # noqa: D102
    def check(self) -> None: ...  # noqa: D102
    def shut_down(self) -> None: ...  # noqa: D102


class MortalEngine(LaneEngine, Protocol):
    """An engine whose streams can go on in another one; its methods raise EngineGone once it has ended."""

    def checkpoint(self, key: str, known: frozenset[int]) -> Checkpoint: ...  # noqa: D102
    def renew(self, key: str, seq: int) -> Renewed: ...  # noqa: D102
