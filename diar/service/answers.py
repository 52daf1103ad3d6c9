"""What the API's description says of problems, and how they are answered."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from diar.service.problems import KINDS, Problem
from diar.service.service import Service

_OF_STATUS = {405: "bad_request", 404: "not_found", 400: "bad_request"}
_SCHEMA = {
    "type": "object",
    "required": ["type", "code", "message"],
    "properties": {
        "type": {"const": "error"},
        "code": {"enum": sorted(KINDS)},
        "message": {"type": "string"},
        "retry_after": {"type": "number"},
    },
}


def problems() -> dict[int | str, dict[str, Any]]:
    """Return the answers that every route may give besides its own."""
    told: dict[int | str, dict[str, Any]] = {}
    for status in sorted({kind.status for kind in KINDS.values() if kind.status != 500}):
        codes = ", ".join(code for code, kind in KINDS.items() if kind.status == status)
        told[status] = {"description": codes, "content": {"application/json": {"schema": _SCHEMA}}}
    return told


def links(parameter: str, key: str, *operations: str) -> dict[str, Any]:
    """Return what an answer's description says of operations that take the identifier in it.

    Args:
        parameter: of those operations.
        key: of the identifier in the answer.
        operations: as `operation_id` names them.
    """
    value = {parameter: f"$response.body#/{key}"}
    return {"links": {name: {"operationId": name, "parameters": value} for name in operations}}


def json_body(schema: dict[str, Any]) -> dict[str, Any]:
    """Return what a route's description says of its JSON body."""
    return {"requestBody": {"content": {"application/json": {"schema": schema}}}}


def operation_id(route: APIRoute) -> str:
    """Return the name of an operation in the API's description, such as `jobs_cancel`."""
    return f"{route.tags[0]}_{route.name}"


def answer_problems(app: FastAPI, service: Service) -> None:
    """Answer every problem as JSON with a reason."""

    async def problem(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, Problem)
        return service.answer(request, error)

    async def invalid(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        where = " ".join(str(part) for part in first["loc"])
        return service.answer(request, Problem("bad_request", f"{where}: {first['msg']}"))

    async def unknown(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        answer = service.answer(
            request, Problem(_OF_STATUS.get(error.status_code, "bad_request"), str(error.detail))
        )
        answer.status_code = error.status_code
        answer.headers.update(error.headers or {})
        return answer

    app.add_exception_handler(Problem, problem)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, unknown)
