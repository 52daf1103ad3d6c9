"""Answers and errors in the shape that OpenAI's clients read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse, PlainTextResponse, Response

from diar.formats.words.document import RecordingWords
from diar.formats.words.openai_answers import openai_json, openai_verbose
from diar.formats.words.other_tools import openai_diarized
from diar.formats.words.table import FORMATS
from diar.service.problems import Problem

RESPONSE_FORMATS = ("json", "text", "srt", "vtt", "verbose_json", "diarized_json")
_AS_400 = ("failed", "unsupported_format")  # OpenAI says 400 of a file that it cannot read
ERROR_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
        }
    },
}


class FieldProblem(Problem):
    """A field of the form that cannot be used."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__("bad_request", f"'{field}': {message}")
        self.field = field


def error_answer(problem: Problem, blamed: str = "file") -> JSONResponse:
    """Return a problem as OpenAI's clients read it; `blamed` is the field that holds what cannot be used."""
    status = 400 if problem.code in _AS_400 else problem.kind.status
    kind = "server_error" if status >= 500 else "invalid_request_error"
    field = getattr(problem, "field", blamed if problem.code in _AS_400 else None)
    error = {"message": problem.message, "type": kind, "param": field, "code": problem.code}
    return JSONResponse({"error": error}, status, problem.headers())


def answer(result: RecordingWords, response_format: str, granularities: tuple[str, ...]) -> Response:
    """Return what was said in the form that was asked for."""
    if response_format == "json":
        return _json(openai_json(result))
    if response_format == "diarized_json":
        return _json({**openai_diarized(result), "usage": openai_json(result)["usage"]})
    if response_format == "verbose_json":
        wanted = {"words": "word" in granularities, "segments": "segment" in granularities}
        return _json(openai_verbose(result, **wanted))
    if response_format == "text":
        return PlainTextResponse(f"{openai_json(result)['text']}\n")
    return PlainTextResponse(FORMATS[response_format].write(result))


def _json(content: Mapping[str, Any]) -> Response:
    return Response(json.dumps(content, ensure_ascii=False), media_type="application/json")
