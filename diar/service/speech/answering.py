"""An answer that is sent as it is made, to a client that may leave, or never read."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing
from typing import Any, TypeVar

from fastapi import Request
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from diar.service.problems import Problem
from diar.service.waiting import within

ResultT = TypeVar("ResultT")
_PIECE = 65_536  # bytes


class Spoken(StreamingResponse):
    """Audio piece by piece. Where it breaks off, the connection is closed before the body's end.

    Args:
        first: bytes of the audio.
        rest: makes the others; closed in any case.
        patience: seconds in which a client must take a piece.
        broken: is told of a problem in the middle.
        slow: is called where a client does not read.
        told: of Starlette's class.
    """

    def __init__(
        self,
        first: bytes,
        rest: AsyncGenerator[bytes, None],
        *,
        patience: float,
        broken: Callable[[Problem], None],
        slow: Callable[[], None],
        **told: Any,
    ) -> None:
        super().__init__(_all(first, rest), **told)
        self._rest, self._patience, self._broken, self._slow = rest, patience, broken, slow

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; a client that leaves ends the work for it."""
        async with aclosing(self._rest):
            await super().__call__(scope, receive, send)

    async def stream_response(self, send: Send) -> None:
        """Send all of it, or stop: the server closes the connection of an answer without its end."""

        async def sent(message: Message) -> None:
            try:
                await within(self._patience, send(message))
            except TimeoutError:
                raise Problem("slow_reader", f"nothing was read for {self._patience:g} s") from None

        try:
            await super().stream_response(sent)
        except Problem as problem:
            if problem.code == "slow_reader":
                self._slow()
            self._broken(problem)


async def _all(first: bytes, rest: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """Yield all audio in pieces that a slow network takes in time."""
    for piece in _pieces(first):
        yield piece
    async for part in rest:
        for piece in _pieces(part):
            yield piece


def _pieces(content: bytes) -> Iterator[bytes]:
    for start in range(0, len(content), _PIECE):
        yield content[start : start + _PIECE]


async def unless_gone(request: Request, awaited: Awaitable[ResultT]) -> ResultT:
    """Return what is awaited; it is cancelled, and a Problem raised, if the client leaves before.

    Args:
        request: its body was read.
        awaited: what takes long.
    """
    work, gone = asyncio.ensure_future(awaited), asyncio.ensure_future(_gone(request))
    both: set[asyncio.Future[Any]] = {work, gone}
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            return work.result()
        raise Problem("bad_request", "the client left before there was an answer")
    finally:
        for task in both:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError, Problem):
            await work


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
