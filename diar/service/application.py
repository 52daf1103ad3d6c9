"""The application: routes around the parts of a service."""

from __future__ import annotations

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
from diar.service.security.shield import Shield
from diar.service.service import Service
from diar.service.sessions.one_request import stream_routes
from diar.service.sessions.routes import session_routes

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
    for routes in (health_routes, session_routes, stream_routes, job_routes, page_routes):
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
    """Counts requests by route; unknown paths are one route, so that nobody can make more of them."""

    def __init__(self, app: ASGIApp, requests: Counter) -> None:
        self._app, self._requests = app, requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = getattr(scope.get("route"), "path", "unknown")
                method = scope["method"] if scope["method"] in _METHODS else "other"
                self._requests.labels(method, route, str(message["status"])).inc()
            await send(message)

        await self._app(scope, receive, counted)
