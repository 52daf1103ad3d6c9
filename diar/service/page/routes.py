"""`/` and the files of its page."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from fastapi import APIRouter
from starlette.responses import Response

from diar.formats import html
from diar.service.problems import Problem
from diar.service.service import Service

_HERE = Path(__file__).parent
_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
}
_FILES = {file.name: file for file in _HERE.iterdir() if file.suffix in _KINDS}
_RESULT_PAGES = Path(html.__file__).parent  # all pages are one family
_FILES["base.css"], _FILES["canvas.js"] = _RESULT_PAGES / "page.css", _RESULT_PAGES / "canvas.js"
START = "index.html"


def page_routes(service: Service) -> APIRouter:
    """Return the routes; the page holds nothing of anybody, so everybody may load it."""
    router = APIRouter(tags=["page"], include_in_schema=False)

    @router.get("/")
    async def start() -> Response:
        return _file(START)

    @router.get("/page/{name}")
    async def part(name: str) -> Response:
        if name not in _FILES:
            raise Problem("not_found", "there is no such file")
        return _file(name)

    return router


def _file(name: str) -> Response:
    return Response(
        _content(name), media_type=_KINDS[Path(name).suffix], headers={"cache-control": "no-cache"}
    )


@cache
def _content(name: str) -> bytes:
    return _FILES[name].read_bytes()
