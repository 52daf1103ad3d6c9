"""Limits a minute of each caller; with Redis, over all replicas."""

from __future__ import annotations

import time

from diar.service.problems import Problem
from diar.service.security.callers import Caller
from diar.service.shared.store import Shared

MINUTE = 60.0


class Rates:
    """Counts what callers do in each minute of the clock.

    Args:
        shared: where the counts are.
        requests: most a minute.
        audio: most seconds of live audio a minute.
        characters: most that are spoken a minute.
    """

    def __init__(self, shared: Shared, requests: int, audio: float, characters: int) -> None:
        self._shared, self._requests, self._audio = shared, requests, audio
        self._characters = characters

    async def request(self, caller: Caller) -> None:
        """Count a request; raises Problem `too_many`."""
        if await self._count("requests", caller, 1) > self._requests:
            raise Problem(
                "too_many", f"more than {self._requests} requests a minute", retry_after=seconds_left()
            )

    async def audio(self, caller: Caller, seconds: float) -> float:
        """Count audio; return how many seconds the caller should wait before more is read, 0 = none."""
        counted = await self._count("audio", caller, seconds)
        return seconds_left() if counted > self._audio else 0.0

    async def characters(self, caller: Caller, count: int) -> None:
        """Count characters to be spoken; raises Problem `too_many`."""
        if await self._count("characters", caller, count) > self._characters:
            raise Problem(
                "too_many", f"more than {self._characters} characters a minute", retry_after=seconds_left()
            )

    async def _count(self, what: str, caller: Caller, amount: float) -> float:
        key = f"rate:{what}:{int(time.time() // MINUTE)}:{caller.key}"
        return await self._shared.call(lambda store: store.add(key, amount, 2 * MINUTE))


def seconds_left() -> float:
    """Return the seconds until the next minute of the clock."""
    return MINUTE - time.time() % MINUTE
