"""Values that expire, in Redis."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import redis.asyncio
from redis.exceptions import RedisError

from diar.errors import DiarError
from diar.service.shared.store import Away

PREFIX = "diar:"
TIMEOUT = 1.0  # seconds for an answer; what takes longer is away

_ADD = """
local total = redis.call('INCRBYFLOAT', KEYS[1], ARGV[1])
if redis.call('PTTL', KEYS[1]) < 0 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return total"""
_SET_OWNED = """
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
return 1"""


class RedisStore:
    """A store that all replicas share.

    Args:
        url: such as `redis://:password@host:6379/0`, or `rediss://…` for TLS.

    Raises:
        DiarError: no such URL.
    """

    def __init__(self, url: str) -> None:
        try:
            self._redis: Any = redis.asyncio.Redis.from_url(
                url, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT, max_connections=32
            )
        except ValueError as error:
            raise DiarError(f"`redis`: {error}") from None
        self._add = self._redis.register_script(_ADD)
        self._set_owned = self._redis.register_script(_SET_OWNED)

    async def get(self, key: str) -> bytes | None:
        """See `Store`."""
        value: bytes | None = await _answer(lambda: self._redis.get(PREFIX + key))
        return value

    async def set(self, key: str, value: bytes, seconds: float) -> None:
        """See `Store`."""
        await _answer(lambda: self._redis.set(PREFIX + key, value, px=_milliseconds(seconds)))

    async def take(self, key: str) -> bytes | None:
        """See `Store`."""
        value: bytes | None = await _answer(lambda: self._redis.getdel(PREFIX + key))
        return value

    async def drop(self, key: str) -> None:
        """See `Store`."""
        await _answer(lambda: self._redis.delete(PREFIX + key))

    async def add(self, key: str, amount: float, seconds: float) -> float:
        """See `Store`."""
        return float(
            await _answer(lambda: self._add(keys=[PREFIX + key], args=[amount, _milliseconds(seconds)]))
        )

    async def set_owned(self, owner_key: str, owner: str, key: str, value: bytes, seconds: float) -> bool:
        """See `Store`."""
        keys, life = [PREFIX + owner_key, PREFIX + key], _milliseconds(seconds)
        return bool(await _answer(lambda: self._set_owned(keys=keys, args=[owner, value, life])))

    async def ping(self) -> None:
        """See `Store`."""
        await _answer(self._redis.ping)


async def _answer(ask: Callable[[], Awaitable[Any]]) -> Any:
    try:
        return await ask()
    except (RedisError, OSError) as error:
        raise Away(str(error)) from error


def _milliseconds(seconds: float) -> int:
    return max(1, round(1000 * seconds))
