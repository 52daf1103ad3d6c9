"""What every request passes first: its size is checked, its answer gets security headers."""

from __future__ import annotations

import json
import time
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from diar.service.problems import Problem
from diar.service.waiting import within

MOST_BODY = 64 * 1024  # bytes of a JSON body; routes that take audio have limits of their own
MOST_QUERY = 4_096
BODY_SECONDS = 30.0  # in which a JSON body must be all there
AUDIO_PATHS = ("/v1/jobs", "/diar/stream", "/v1/audio/transcriptions")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "media-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "microphone=(self), camera=(), geolocation=()",
    "cache-control": "no-store",
}


class Shield:
    """An ASGI layer around the application.

    Args:
        app: what it is around.
        secure: served over TLS, so browsers are told to stay with it.
    """

    def __init__(self, app: ASGIApp, secure: bool) -> None:
        self._app = app
        told = {**HEADERS, **({"strict-transport-security": "max-age=31536000"} if secure else {})}
        self._headers = [(name.encode(), value.encode()) for name, value in told.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            _check(scope)
        except Problem as problem:
            await _refuse(problem, self._sender(send))
            return
        await self._app(scope, receive if _takes_audio(scope) else _limited(receive), self._sender(send))

    def _sender(self, send: Send) -> Send:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = {name.lower() for name, _ in message.get("headers", ())}
                added = [(name, value) for name, value in self._headers if name not in own]
                message["headers"] = [*message.get("headers", ()), *added]
            await send(message)

        return with_headers


def _check(scope: Scope) -> None:
    headers = dict(scope["headers"])
    if headers.get(b"content-encoding", b"identity") != b"identity":
        raise Problem("unsupported_format", "bodies are taken as they are, not compressed (Content-Encoding)")
    length = headers.get(b"content-length", b"0")
    if length.isdigit() and int(length) > MOST_BODY and not _takes_audio(scope):
        raise Problem("too_large", f"this takes at most {MOST_BODY} bytes")
    if len(scope["query_string"]) > MOST_QUERY:
        raise Problem("bad_request", f"the query has more than {MOST_QUERY} bytes")


def _takes_audio(scope: Scope) -> bool:
    """Whether a route takes audio; it has limits of its own."""
    path = scope["path"]
    return scope["method"] == "POST" and (path in AUDIO_PATHS or path.endswith("/audio"))


def _limited(receive: Receive) -> Receive:
    """Return `receive` for a body within limits of size and time, whatever length was announced."""
    total, whole, until = 0, False, time.monotonic() + BODY_SECONDS

    async def limited() -> Message:
        nonlocal total, whole
        if whole:  # now it waits for the client to leave
            return await receive()
        try:
            message = await within(max(0.0, until - time.monotonic()), receive())
        except TimeoutError:
            raise Problem("idle", f"the body was not there within {BODY_SECONDS:g} s") from None
        whole = not message.get("more_body", False)
        total += len(message.get("body", b""))
        if total > MOST_BODY:
            raise Problem("too_large", f"this takes at most {MOST_BODY} bytes")
        return message

    return limited


async def _refuse(problem: Problem, send: Send) -> None:
    body = json.dumps(problem.to_dict()).encode()
    headers: list[tuple[bytes, bytes]] = [(b"content-type", b"application/json"), (b"connection", b"close")]
    start: dict[str, Any] = {"type": "http.response.start", "status": problem.kind.status, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": body})
