"""The application: routes around the parts of a service."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

import diar
from diar.service.answers import answer_problems
from diar.service.health import health_routes
from diar.service.jobs.routes import job_routes
from diar.service.page.routes import page_routes
from diar.service.security.shield import Shield
from diar.service.service import Service
from diar.service.sessions.one_request import stream_routes
from diar.service.sessions.routes import session_routes


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
    )
    answer_problems(app, service)
    app.middleware("http")(_counting(service))
    for routes in (health_routes, session_routes, stream_routes, job_routes, page_routes):
        app.include_router(routes(service))
    if service.config.allowed_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(service.config.allowed_origins),
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "Last-Event-ID"],
        )
    return Shield(app, secure=service.config.tls_certificate is not None)


def _counting(service: Service) -> Callable[..., Awaitable[Response]]:
    """Return what counts requests by route; unknown paths are one route, so nobody can make more of them."""

    async def count(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
        started = time.monotonic()
        response = await go_on(request)
        route = getattr(request.scope.get("route"), "path", "unknown")
        service.metrics.requests.labels(request.method[:8], route, str(response.status_code)).inc()
        del started
        return response

    return count
