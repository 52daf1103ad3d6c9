"""Server-sent events: a session's events for browsers and for whoever reads lines."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from diar.service.problems import Problem
from diar.service.sessions.session import Session

BEAT = 15.0  # seconds after which a comment is sent, so that proxies keep the connection
HEADERS = {"X-Accel-Buffering": "no"}  # nginx passes each event on at once


class WhileBodyComes(StreamingResponse):
    """Events while the request's body is still read: whoever reads that notices when the client leaves."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send; Starlette's own class would read the body to wait for the client to leave."""
        await self.stream_response(send)


def message(event: str, data: str, identifier: int | None = None) -> str:
    """Return one event; `data` is JSON, so it has no line ends."""
    head = "" if identifier is None else f"id: {identifier}\n"
    return f"{head}event: {event}\ndata: {data}\n\n"


def response(
    content: AsyncIterator[str], kind: type[StreamingResponse] = StreamingResponse
) -> StreamingResponse:
    """Return the answer that sends events as they come."""
    return kind(content, media_type="text/event-stream", headers=HEADERS)


async def session_events(session: Session, last_seq: int | None) -> AsyncIterator[str]:
    """Yield a session's events after `last_seq`, until it is over.

    Who knows nothing, or is too far behind, gets a `snapshot` first.
    """
    session.readers += 1
    try:
        seq = -1 if last_seq is None else last_seq
        while True:
            if not session.log.holds(seq):
                seq = session.log.next_seq - 1
                yield message("snapshot", json.dumps(session.snapshot(), ensure_ascii=False), seq)
                continue
            entries = session.log.after(seq)
            for entry in entries:
                yield message(entry.type, entry.text, entry.seq)
                seq = entry.seq
            if not entries and session.log.ended:
                break
            if not await session.log.news(seq, BEAT):
                yield ": still here\n\n"
        if (problem := session.problem or session.parting) is not None:
            yield error(problem)
    finally:
        session.readers -= 1
        session.touch()


def error(problem: Problem) -> str:
    """Return a problem as an event."""
    return message("error", json.dumps(problem.to_dict(), ensure_ascii=False))


async def with_beats(source: AsyncIterator[Any], render: Any) -> AsyncIterator[str]:
    """Yield what `render` makes of each item; comments while there is none."""
    pending: asyncio.Task[Any] | None = None
    try:
        while True:
            pending = pending or asyncio.ensure_future(anext(source))
            done, _ = await asyncio.wait({pending}, timeout=BEAT)
            if not done:
                yield ": still here\n\n"
                continue
            try:
                yield render(pending.result())
            except StopAsyncIteration:
                return
            pending = None
    finally:
        if pending is not None:
            pending.cancel()
