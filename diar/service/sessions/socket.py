"""`WS /v1/live`: one JSON message, then audio; events come back (docs/live.md)."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

from starlette.responses import JSONResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from diar.service.problems import Problem
from diar.service.security.callers import LIVE, Caller
from diar.service.service import Service
from diar.service.sessions.feeding import Feeder
from diar.service.sessions.opening import Opening, Resuming, first_message, parse_object
from diar.service.sessions.session import Session
from diar.service.waiting import within

FIRST_MESSAGE = 10.0  # seconds within which it must come
_FAREWELL = 2.0  # seconds for the message that ends a connection
_WAIT = 3_600.0
NORMAL = 1000  # close code of WebSocket


async def live_socket(service: Service, socket: WebSocket) -> None:
    """Serve one connection."""
    try:
        caller = await service.door.caller(socket, ticket=True)
        caller.require(LIVE)
        await service.rates.request(caller)
    except Problem as problem:
        service.refused(problem, None, "live")
        body = JSONResponse(problem.to_dict(), problem.kind.status, problem.headers())
        await socket.send_denial_response(body)
        return
    await socket.accept()
    try:
        await _serve(service, socket, caller)
    except WebSocketDisconnect:
        return
    except Problem as problem:
        service.refused(problem, caller, "live")
        await _part(socket, problem)


async def _serve(service: Service, socket: WebSocket, caller: Caller) -> None:
    try:
        wanted = await within(FIRST_MESSAGE, _first(service, socket))
    except TimeoutError:
        raise Problem("idle", f"no first message within {FIRST_MESSAGE:.0f} s") from None
    session, opening, skip, seq = await _enter(service, caller, wanted)
    feeder = Feeder(session, service.rates, opening, skip)
    session.readers += 1
    writer = asyncio.create_task(_write(service, socket, session, seq))
    reader = asyncio.create_task(_read(service, socket, session, feeder))
    try:
        await _first_done(reader, writer)
    finally:
        feeder.close()
        session.readers -= 1
        session.touch()


async def _first(service: Service, socket: WebSocket) -> Opening | Resuming:
    message = await socket.receive()
    _check_connected(message)
    if message.get("text") is None:
        raise Problem("bad_request", "the first message is JSON text, then comes audio in binary messages")
    return first_message(message["text"], service.config.max_channels)


async def _enter(
    service: Service, caller: Caller, wanted: Opening | Resuming
) -> tuple[Session, Opening, int, int | None]:
    """Return the session, what audio comes, samples to leave out, and the last event that the client has."""
    if isinstance(wanted, Opening):
        return await service.sessions.begin(caller, wanted), wanted, 0, None
    session = await service.sessions.resume(caller, wanted.session, take_over=True)
    if session.problem is not None:
        raise session.problem
    if session.feeder is not None:  # of a connection that is dead, or the same client's
        raise Problem("conflict", "another connection sends this session's audio", retry_after=1)
    skip = await service.sessions.place(session, wanted.position) if session.open else 0
    return session, wanted.opening or session.opening, skip, wanted.last_seq


async def _first_done(reader: asyncio.Task[None], writer: asyncio.Task[None]) -> None:
    """Wait for the end of a connection; raise what ended it."""
    await asyncio.wait({reader, writer}, return_when=asyncio.FIRST_COMPLETED)
    if reader.done() and not writer.done() and reader.exception() is None:
        await asyncio.wait({writer}, timeout=_WAIT)  # the stream was closed: its last events are on their way
    for task in (writer, reader):
        task.cancel()
    results = await asyncio.gather(writer, reader, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
            raise result


async def _read(service: Service, socket: WebSocket, session: Session, feeder: Feeder) -> None:
    """Take audio and control messages, until the stream is closed."""
    while True:
        message = await socket.receive()
        _check_connected(message)
        if message.get("bytes") is not None:
            await feeder.feed(message["bytes"])
        elif await _control(service, session, feeder, parse_object(message["text"]), socket):
            return


async def _control(
    service: Service, session: Session, feeder: Feeder, message: dict[str, Any], socket: WebSocket
) -> bool:
    """Do what a control message asks; return whether the stream is closed."""
    kind = message.get("type")
    session.touch()
    if kind == "KeepAlive":
        return False
    if kind == "Finalize":
        await session.finalize()
    elif kind == "Rename":
        await session.rename(*_named(message))
    elif kind == "Snapshot":
        await _send(service, socket, json.dumps(session.snapshot(), ensure_ascii=False))
    elif kind == "CloseStream":
        await feeder.finish()
        await service.sessions.end(session, "closed")
        return True
    else:
        known = "KeepAlive, Finalize, Rename, Snapshot, CloseStream"
        raise Problem("bad_request", f"a message has one of the types {known}; found {kind!r}")
    return False


def _named(message: dict[str, Any]) -> tuple[str, str]:
    speaker, name = message.get("speaker"), message.get("name")
    return checked_name(speaker, name)


def checked_name(speaker: Any, name: Any) -> tuple[str, str]:
    """Return a speaker and a name that may be given; raises Problem `bad_request`."""
    if not isinstance(speaker, str) or not isinstance(name, str):
        raise Problem("bad_request", "'speaker' and 'name' are texts")
    if not 0 < len(name.strip()) <= 100 or not name.isprintable():
        raise Problem("bad_request", "'name' has 1 to 100 printable characters")
    return speaker, name.strip()


async def _write(service: Service, socket: WebSocket, session: Session, last_seq: int | None) -> None:
    """Send a snapshot, then events as they come, until the session is over."""
    seq = session.log.next_seq - 1
    if last_seq is not None and session.log.holds(last_seq):
        seq = last_seq
    await _send(service, socket, json.dumps(session.snapshot(), ensure_ascii=False))
    while True:
        if not session.log.holds(seq):  # too far behind
            seq = session.log.next_seq - 1
            await _send(service, socket, json.dumps(session.snapshot(), ensure_ascii=False))
            continue
        entries = session.log.after(seq)
        for entry in entries:
            await _send(service, socket, entry.text)
            seq = entry.seq
        if not entries and session.log.ended:
            break
        await session.log.news(seq, _WAIT)
    if (problem := session.problem or session.parting) is not None:
        raise problem
    await socket.close(NORMAL, "the session has ended")


async def _send(service: Service, socket: WebSocket, text: str) -> None:
    try:
        await within(service.config.slow_seconds, socket.send_text(text))
    except TimeoutError:
        service.metrics.dropped.inc()
        raise Problem(
            "slow_reader", f"events were not read for {service.config.slow_seconds:.0f} s"
        ) from None


async def _part(socket: WebSocket, problem: Problem) -> None:
    """Say why, and close; a client that does not read need not hear it."""
    with contextlib.suppress(TimeoutError, WebSocketDisconnect, RuntimeError, OSError):
        await within(_FAREWELL, socket.send_text(json.dumps(problem.to_dict(), ensure_ascii=False)))
        await within(_FAREWELL, socket.close(problem.kind.close, _short(problem)))


def _short(problem: Problem) -> str:
    """Return a reason that fits into a close frame, 123 bytes."""
    return f"{problem.code}: {problem.message}".encode()[:120].decode(errors="ignore")


def _check_connected(message: Any) -> None:
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1005), message.get("reason"))
