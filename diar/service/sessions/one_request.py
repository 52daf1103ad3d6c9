"""`POST /diar/stream`: audio in the body, turns in the answer, in one request."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from diar.errors import explain
from diar.service.answers import problems
from diar.service.problems import Problem
from diar.service.security.callers import LIVE
from diar.service.service import Service
from diar.service.sessions import sse
from diar.service.sessions.feeding import Feeder
from diar.service.sessions.opening import Opening
from diar.service.sessions.routes import AUDIO, feed_body
from diar.service.sessions.session import Session

_LOG = logging.getLogger("diar.service")


def stream_routes(service: Service) -> APIRouter:
    """Return the route."""
    router = APIRouter(tags=["live"], responses=problems())

    @router.post("/diar/stream", openapi_extra={"requestBody": AUDIO}, response_class=sse.StreamingResponse)
    async def stream(
        request: Request,
        format: Annotated[str, Query()] = Opening.format,
        sample_rate: Annotated[int, Query()] = Opening.sample_rate,
        channels: Annotated[int, Query()] = Opening.channels,
        channel: Annotated[str, Query()] = Opening.channel,
        max_speakers: Annotated[int | None, Query()] = None,
    ) -> sse.StreamingResponse:
        """Send each turn as an event `turn` once it is final, then `done` with the turns of the whole."""
        caller = await service.enter(request, LIVE)
        fields = {
            "format": format,
            "sample_rate": sample_rate,
            "channels": channels,
            "channel": channel,
            "max_speakers": max_speakers,
        }
        session = await service.sessions.begin(caller, Opening.of(fields, service.config.max_channels))
        return sse.response(_turns(service, request, session), sse.WhileBodyComes)

    return router


async def _turns(service: Service, request: Request, session: Session) -> AsyncIterator[str]:
    """Feed the body, yield what comes of it."""
    session.readers += 1
    feeding = asyncio.create_task(_feed(service, request, session))
    seq, sent = 0, set[int]()
    try:
        while True:
            before, seq, turns = seq, session.log.next_seq - 1, _final_turns(session, seq)
            for number, turn in turns:
                if turn["id"] not in sent:
                    sent.add(turn["id"])
                    yield sse.message("turn", json.dumps(turn), number)
            if seq == before and session.log.ended:
                break
            if not await session.log.news(seq, sse.BEAT):
                yield ": still here\n\n"
        yield sse.error(session.problem) if session.problem else sse.message("done", _done(session))
    finally:
        feeding.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await feeding
        session.readers -= 1
        if session.open:
            await service.sessions.end(session, "left")


def _final_turns(session: Session, seq: int) -> list[tuple[int, dict[str, Any]]]:
    """Return turns that became final after an event, each with the number of its event."""
    if not session.log.holds(seq):
        return [(session.log.next_seq - 1, turn) for turn in session.board.final_turns()]
    entries = session.log.after(seq)
    return [(entry.seq, json.loads(entry.text)["turn"]) for entry in entries if entry.type == "turn.final"]


async def _feed(service: Service, request: Request, session: Session) -> None:
    feeder = Feeder(session, service.rates, session.opening)
    try:
        await feed_body(request, feeder, service.config.idle_seconds)
        await service.sessions.end(session, "closed")
    except Problem as problem:
        await session.drop(problem)
    except Exception as error:  # the answer has begun: it must end, too
        _LOG.exception("audio of a request could not be processed")
        await session.drop(Problem("internal", f"the audio could not be processed: {explain(error)}"))
    finally:
        feeder.close()


def _done(session: Session) -> str:
    assert session.ended is not None
    ended: dict[str, Any] = session.ended.to_dict()
    return json.dumps({name: ended[name] for name in ("duration", "turns", "names")}, ensure_ascii=False)
