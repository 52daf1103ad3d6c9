"""`/healthz`, `/readyz`, `/metrics`: for orchestrators and Prometheus."""

from __future__ import annotations

import time
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from diar.service.metrics import CONTENT_TYPE
from diar.service.security.callers import ADMIN
from diar.service.service import Service


def health_routes(service: Service) -> APIRouter:
    """Return the routes."""
    router = APIRouter(tags=["operations"])

    @router.get("/healthz")
    async def healthy() -> dict[str, str]:
        """Say that the process answers."""
        return {"status": "ok"}

    @router.get("/readyz", responses={503: {"description": "not ready; the body says why"}})
    async def ready() -> JSONResponse:
        """Say whether new sessions can begin, and what is amiss."""
        found = readiness(service)
        return JSONResponse(found, 200 if found["ready"] else 503)

    @router.get("/metrics", response_class=Response)
    async def metrics(request: Request) -> Response:
        """Return all metrics; needs the scope admin unless they are open."""
        if not service.config.open_metrics:
            await service.enter(request, ADMIN)
        return Response(service.metrics.text(len(service.sessions)), media_type=CONTENT_TYPE)

    return router


def readiness(service: Service) -> dict[str, Any]:
    """Return `ready`, and the state of each part.

    Without Redis the process goes on alone, so it stays ready: taking all replicas out of service at once
    would turn a small failure into a large one.
    """
    away = service.shared.away_since
    redis = "none" if not service.shared.configured else "ok"
    if away is not None:
        redis = (
            f"away for {time.monotonic() - away:.0f} s: sessions are not saved, limits are of this replica"
        )
    return {
        "ready": service.compute.ready and service.warm and not service.sessions.draining,
        "networks": service.compute.condition() if service.warm else "loading",
        "draining": service.sessions.draining,
        "redis": redis,
        "sessions": len(service.sessions),
    }
