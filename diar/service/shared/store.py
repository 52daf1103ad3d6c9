"""Values that replicas share: Redis where it is configured, else the memory of this process.

While Redis is away the process goes on with its own memory, and tries again every second.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from diar.service.shared.memory import Memory

ValueT = TypeVar("ValueT")

PROBE_SECONDS = 1.0


class Away(Exception):
    """The store cannot be reached now."""


class Store(Protocol):
    """Bytes by name that expire."""

    async def get(self, key: str) -> bytes | None:
        """Return a value, None if there is none."""

    async def set(self, key: str, value: bytes, seconds: float) -> None:
        """Keep a value for that long."""

    async def take(self, key: str) -> bytes | None:
        """Return a value and forget it; of several takers one gets it."""

    async def drop(self, key: str) -> None:
        """Forget a value."""

    async def add(self, key: str, amount: float, seconds: float) -> float:
        """Add to a number, which begins at 0 and expires that long after its first amount; return the sum."""

    async def set_owned(self, owner_key: str, owner: str, key: str, value: bytes, seconds: float) -> bool:
        """Keep a value if `owner_key` holds `owner`, and keep that, too; return whether."""

    async def ping(self) -> None:
        """Raise Away where the store does not answer."""


class Shared:
    """The store of this process.

    Attributes:
        configured: there is a store that replicas share.
        away_since: when it was lost, by the monotonic clock; None while it is there.
    """

    def __init__(self, remote: Store | None, on_change: Callable[[bool], None] = lambda there: None) -> None:
        self.configured = remote is not None
        self.away_since: float | None = None
        self._remote, self._memory, self._on_change = remote, Memory(), on_change
        self._probe: asyncio.Task[None] | None = None

    @property
    def there(self) -> bool:
        """Whether replicas share values now."""
        return self.configured and self.away_since is None

    async def call(self, do: Callable[[Store], Awaitable[ValueT]]) -> ValueT:
        """Do something with the shared store, or with this process's memory while that is away."""
        if self._remote is not None and self.away_since is None:
            try:
                return await do(self._remote)
            except Away:
                self._lost()
        return await do(self._memory)

    async def try_remote(self, do: Callable[[Store], Awaitable[ValueT]]) -> ValueT | None:
        """Do something with the shared store; None while it is away or there is none."""
        if self._remote is None or self.away_since is not None:
            return None
        try:
            return await do(self._remote)
        except Away:
            self._lost()
            return None

    async def check(self) -> None:
        """Find out whether the shared store answers."""
        await self.try_remote(lambda store: store.ping())

    async def close(self) -> None:
        """Stop trying."""
        if self._probe is not None:
            self._probe.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._probe

    def _lost(self) -> None:
        if self.away_since is None:
            self.away_since = time.monotonic()
            self._on_change(False)
            self._probe = asyncio.create_task(self._until_back())

    async def _until_back(self) -> None:
        assert self._remote is not None
        while True:
            await asyncio.sleep(PROBE_SECONDS)
            with contextlib.suppress(Away):
                await self._remote.ping()
                self.away_since = None
                self._on_change(True)
                return
