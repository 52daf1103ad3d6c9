"""`/v1/live` and `/v1/sessions`: sessions over HTTP."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Header, Query, Request, WebSocket
from starlette.requests import ClientDisconnect

from diar.service.answers import json_body, links, problems
from diar.service.problems import Problem
from diar.service.security.callers import ADMIN, LIVE
from diar.service.security.door import TICKET
from diar.service.security.tickets import LIFE
from diar.service.service import Service
from diar.service.sessions import sse
from diar.service.sessions.feeding import Feeder
from diar.service.sessions.opening import SCHEMA, Opening
from diar.service.sessions.session import Session
from diar.service.sessions.socket import checked_name, live_socket
from diar.service.waiting import within

AUDIO = {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
_LINKED = ("live_audio", "live_events", "live_snapshot", "live_finalize", "live_rename", "live_end")
_NAMED = {
    "type": "object",
    "required": ["speaker", "name"],
    "properties": {
        "speaker": {"type": "string", "examples": ["1"]},
        "name": {"type": "string", "minLength": 1, "maxLength": 100},
    },
}


def session_routes(service: Service) -> APIRouter:
    """Return the routes."""
    router = APIRouter(tags=["live"], responses=problems())

    @router.websocket("/v1/live")
    async def live(socket: WebSocket) -> None:
        await live_socket(service, socket)

    @router.post("/v1/live", status_code=201)
    async def ticket(request: Request) -> dict[str, Any]:
        """Give a ticket for one connection within a minute, for browsers."""
        caller = await service.enter(request, LIVE)
        given = await service.tickets.give(caller)
        scheme = "wss" if request.url.scheme == "https" else "ws"
        url = f"{scheme}://{request.url.netloc}/v1/live?{TICKET}={given}"
        return {"url": url, "ticket": given, "expires_in": LIFE}

    @router.post(
        "/v1/sessions",
        status_code=201,
        responses={201: links("session_id", "session", *_LINKED)},
        openapi_extra=json_body(SCHEMA),
    )
    async def begin(request: Request, opening: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        """Begin a session; the body is the first message of a WebSocket without its type."""
        caller = await service.enter(request, LIVE)
        session = await service.sessions.begin(caller, Opening.of(opening, service.config.max_channels))
        return session.snapshot()

    @router.get("/v1/sessions")
    async def listed(request: Request) -> dict[str, Any]:
        """List the tenant's sessions at this replica; needs the scope admin."""
        caller = await service.enter(request, ADMIN)
        return {"sessions": [_told(one) for one in service.sessions.of_tenant(caller.tenant)]}

    @router.get("/v1/sessions/{session_id}")
    async def snapshot(request: Request, session_id: str) -> dict[str, Any]:
        """Return turns and names so far."""
        return (await _session(service, request, session_id)).snapshot()

    _change_routes(router, service)
    _stream_routes(router, service)
    return router


def _change_routes(router: APIRouter, service: Service) -> None:
    @router.post("/v1/sessions/{session_id}/finalize")
    async def finalize(request: Request, session_id: str) -> dict[str, Any]:
        """Make final what is pending."""
        session = await _session(service, request, session_id)
        await session.finalize()
        return session.snapshot()

    @router.post("/v1/sessions/{session_id}/names", openapi_extra=json_body(_NAMED))
    async def rename(
        request: Request, session_id: str, named: Annotated[dict[str, Any], Body()]
    ) -> dict[str, Any]:
        """Give a speaker a name: `speaker`, `name`."""
        session = await _session(service, request, session_id)
        await session.rename(*checked_name(named.get("speaker"), named.get("name")))
        return session.snapshot()

    @router.delete("/v1/sessions/{session_id}")
    async def end(request: Request, session_id: str) -> dict[str, Any]:
        """Process what was received, and end the session; return all of it."""
        session = await _session(service, request, session_id)
        await service.sessions.end(session, "deleted")
        if session.problem is not None:
            raise session.problem
        return {**session.snapshot(), "final": session.ended.to_dict() if session.ended else None}


def _stream_routes(router: APIRouter, service: Service) -> None:
    @router.post("/v1/sessions/{session_id}/audio", openapi_extra={"requestBody": AUDIO})
    async def audio(
        request: Request, session_id: str, position: Annotated[float | None, Query(ge=0, le=1e7)] = None
    ) -> dict[str, Any]:
        """Add audio, as the session was opened for; returns once it is accepted."""
        session = await _session(service, request, session_id)
        feeder = Feeder(
            session, service.rates, session.opening, await service.sessions.place(session, position)
        )
        try:
            await feed_body(request, feeder, service.config.idle_seconds)
        finally:
            feeder.close()
        return {"received_seconds": round(session.position, 4)}

    @router.get("/v1/sessions/{session_id}/events", response_class=sse.StreamingResponse)
    async def events(
        request: Request, session_id: str, last_event_id: Annotated[str | None, Header()] = None
    ) -> sse.StreamingResponse:
        """Send events as server-sent events, after Last-Event-ID where that is given."""
        session = await _session(service, request, session_id, ticket=True)
        return sse.response(sse.session_events(session, event_number(last_event_id)))


async def feed_body(request: Request, feeder: Feeder, patience: float) -> None:
    """Feed a request's body as it comes.

    Raises:
        Problem: bad audio, nothing for `patience` seconds, or the client left.
    """
    body = aiter(request.stream())
    while True:
        try:
            data = await within(patience, anext(body, None))
        except TimeoutError:
            raise Problem("idle", f"no audio for {patience:.0f} s") from None
        except ClientDisconnect:
            raise Problem("bad_request", "the client left before the end of the audio") from None
        if data is None:
            break
        await feeder.feed(data)
    await feeder.finish()


def event_number(text: str | None) -> int | None:
    """Return Last-Event-ID as a number; raises Problem `bad_request`."""
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal()) or len(text) > 15:
        raise Problem("bad_request", "Last-Event-ID is the number of an event")
    return int(text)


async def _session(service: Service, request: Request, identifier: str, *, ticket: bool = False) -> Session:
    caller = await service.enter(request, LIVE, ticket=ticket)
    session = await service.sessions.resume(caller, identifier, take_over=False)
    session.touch()
    return session


def _told(session: Session) -> dict[str, Any]:
    return {
        "session": session.id,
        "subject": session.caller.subject,
        "received_seconds": round(session.position, 1),
        "open": session.open,
        "readers": session.readers,
    }
