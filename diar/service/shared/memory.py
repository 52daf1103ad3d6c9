"""Values that expire, in the memory of this process."""

from __future__ import annotations

import time
from collections import OrderedDict

MOST_VALUES = 20_000
MOST_BYTES = 256 * 2**20


class Memory:
    """A store of one process; the oldest values go when there are too many."""

    def __init__(self) -> None:
        self._values: OrderedDict[str, tuple[float, bytes | float]] = OrderedDict()  # key → (until, value)
        self._bytes = 0

    async def get(self, key: str) -> bytes | None:
        """See `Store`."""
        value = self._alive(key)
        return value if isinstance(value, bytes) else None

    async def set(self, key: str, value: bytes, seconds: float) -> None:
        """See `Store`."""
        self._put(key, value, time.monotonic() + seconds)

    async def take(self, key: str) -> bytes | None:
        """See `Store`."""
        value = self._alive(key)
        self._forget(key)
        return value if isinstance(value, bytes) else None

    async def drop(self, key: str) -> None:
        """See `Store`."""
        self._forget(key)

    async def add(self, key: str, amount: float, seconds: float) -> float:
        """See `Store`."""
        before = self._alive(key)
        if not isinstance(before, float):
            self._put(key, float(amount), time.monotonic() + seconds)
            return float(amount)
        total = before + amount
        self._values[key] = (self._values[key][0], total)
        return total

    async def set_owned(self, owner_key: str, owner: str, key: str, value: bytes, seconds: float) -> bool:
        """See `Store`; there is only one owner."""
        await self.set(owner_key, owner.encode(), seconds)
        await self.set(key, value, seconds)
        return True

    async def ping(self) -> None:
        """See `Store`; always there."""

    def _alive(self, key: str) -> bytes | float | None:
        until, value = self._values.get(key, (0.0, None))
        if value is not None and until < time.monotonic():
            self._forget(key)
            return None
        return value

    def _put(self, key: str, value: bytes | float, until: float) -> None:
        self._forget(key)
        self._values[key] = (until, value)
        self._bytes += _size(value)
        while len(self._values) > MOST_VALUES or self._bytes > MOST_BYTES:
            self._forget(next(iter(self._values)))

    def _forget(self, key: str) -> None:
        _, value = self._values.pop(key, (0.0, None))
        self._bytes -= _size(value)


def _size(value: bytes | float | None) -> int:
    return len(value) if isinstance(value, bytes) else 0
