"""Waiting for something, but not for ever."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

import anyio

ResultT = TypeVar("ResultT")


async def within(seconds: float, awaited: Awaitable[ResultT]) -> ResultT:
    """Return what is awaited; raise TimeoutError after that long.

    `asyncio.wait_for` before Python 3.12 loses a cancellation that comes when its time is up or its result
    is there; then a task that was cancelled goes on.
    """
    with anyio.fail_after(seconds):
        return await awaited
