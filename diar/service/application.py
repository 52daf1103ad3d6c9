"""The application: routes around the parts of a service."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from prometheus_client import Counter
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import diar
from diar.service.answers import answer_problems, operation_id
from diar.service.health import health_routes
from diar.service.jobs.routes import job_routes
from diar.service.page.routes import page_routes
from diar.service.security.names import new_identifier
from diar.service.security.shield import Shield
from diar.service.service import Service
from diar.service.sessions.one_request import stream_routes
from diar.service.sessions.routes import session_routes
from diar.service.speech.routes import speech_routes
from diar.service.transcriptions.routes import transcription_routes

_LOG = logging.getLogger("diar.service")
_REQUEST_ID = b"x-request-id"
_PLAIN = re.compile(r"[A-Za-z0-9._-]{1,64}")
_ASKED_ALWAYS = ("/healthz", "/readyz", "/metrics")  # every few seconds: no line in the log
_METHODS = ("GET", "POST", "DELETE", "HEAD", "OPTIONS", "PUT", "PATCH")


def make_application(service: Service) -> ASGIApp:
    """Return what an ASGI server serves."""

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        await service.start()
        yield
        await service.stop()

    app = FastAPI(
        title="diar",
        version=diar.__version__,
        lifespan=life,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=operation_id,
    )
    answer_problems(app, service)
    parts = [health_routes, session_routes, stream_routes, job_routes, transcription_routes, page_routes]
    if service.config.voices:
        parts.append(speech_routes)
    for routes in parts:
        app.include_router(routes(service))
    if service.config.allowed_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(service.config.allowed_origins),
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "Last-Event-ID"],
        )
    return Counting(Shield(app, secure=service.config.tls_certificate is not None), service.metrics.requests)


class Counting:
    """Counts requests by route, and gives each an id, for logs; unknown paths are one route, whoever asks."""

    def __init__(self, app: ASGIApp, requests: Counter) -> None:
        self._app, self._requests = app, requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        request, began = _request_id(scope), time.monotonic()

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = getattr(scope.get("route"), "path", "unknown")
                method = scope["method"] if scope["method"] in _METHODS else "other"
                self._requests.labels(method, route, str(message["status"])).inc()
                message["headers"] = [*message.get("headers", ()), (_REQUEST_ID, request.encode())]
                if route not in _ASKED_ALWAYS:
                    facts = {
                        "request": request,
                        "method": method,
                        "route": route,
                        "status": message["status"],
                    }
                    facts["seconds"] = round(time.monotonic() - began, 4)  # to the beginning of the answer
                    _LOG.info("request", extra={"facts": facts})
            await send(message)

        await self._app(scope, receive, counted)


def _request_id(scope: Scope) -> str:
    """Return the id that a caller has given, where it is short and plain, or a new one."""
    given = dict(scope["headers"]).get(_REQUEST_ID, b"").decode("latin-1")
    return given if _PLAIN.fullmatch(given) else new_identifier("q")
