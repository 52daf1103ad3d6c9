"""`POST /v1/audio/speech` and `GET /v1/audio/voices`."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from diar.service.answers import json_body, problems
from diar.service.jobs.uploads import small_body
from diar.service.problems import Problem
from diar.service.security.callers import SPEECH
from diar.service.service import Service
from diar.service.sessions.opening import parse_object
from diar.service.speech.answering import Spoken, unless_gone
from diar.service.speech.desk import Wanted
from diar.service.speech.encoding import FORMATS
from diar.service.transcriptions.answers import ERROR_SCHEMA, error_answer

MOST_CHARACTERS = 4_096  # as OpenAI has it
_MOST_BYTES = 65_536
_LONGEST_NAME = 64  # characters
_FIELDS: dict[str, Any] = {
    "model": {"type": "string", "maxLength": _LONGEST_NAME},
    "input": {"type": "string", "minLength": 1, "maxLength": MOST_CHARACTERS},
    "voice": {"type": "string", "maxLength": _LONGEST_NAME},
    "response_format": {"enum": list(FORMATS)},
    "speed": {"type": "number", "minimum": 0.5, "maximum": 2},
}
_BODY = {"type": "object", "required": ["model", "input", "voice"], "properties": _FIELDS}
_ERROR = {"application/json": {"schema": ERROR_SCHEMA}}
_AUDIO = {form.media_type: {"schema": {"type": "string", "format": "binary"}} for form in FORMATS.values()}


def speech_routes(service: Service) -> APIRouter:
    """Return the routes."""
    router = APIRouter(tags=["speech"])

    @router.post(
        "/v1/audio/speech",
        openapi_extra=json_body(_BODY),
        response_class=StreamingResponse,
        responses={
            **{status: {**told, "content": _ERROR} for status, told in problems().items()},
            200: {"content": _AUDIO},
        },
    )
    async def create(request: Request) -> Response:
        """Return a text spoken, sentence by sentence, as OpenAI's endpoint of that name does."""
        try:
            return await _spoken(service, request)
        except Problem as problem:
            service.refused(problem, getattr(request.state, "caller", None), "speech")
            return error_answer(problem, "input")

    @router.get("/v1/audio/voices", responses=problems())
    async def voices(request: Request) -> dict[str, Any]:
        """Return the voices of each model."""
        await service.enter(request, SPEECH)
        models = await service.speech.voices()
        return {"voices": [{"id": voice, "model": name} for name, own in models.items() for voice in own]}

    return router


async def _spoken(service: Service, request: Request) -> Response:
    caller = await service.enter(request, SPEECH)
    body = await small_body(request, _MOST_BYTES, service.config.idle_seconds)
    model, wanted = _wanted(parse_object(body))
    await service.rates.characters(caller, len(wanted.text))
    version = service.speech.version(model, wanted)
    spoken = service.speech.speak(caller, version, wanted)
    first = await unless_gone(
        request, anext(spoken)
    )  # a problem is told while there is a status to tell it by
    told = {"characters": len(wanted.text), "model": version.label, "voice": wanted.voice}
    service.audit.write("speech", caller, "ok", **told)
    headers = {"X-Model-Version": version.label, "X-Audio-Origin": "synthetic"}
    return Spoken(
        first,
        spoken,
        patience=service.config.slow_seconds,
        broken=lambda problem: service.refused(problem, caller, "speech"),
        slow=service.metrics.dropped.inc,
        media_type=FORMATS[wanted.form].media_type,
        headers=headers,
    )


def _wanted(body: dict[str, Any]) -> tuple[str, Wanted]:
    """Return the model's name and what is to be spoken; raises Problem."""
    for field in ("model", "input", "voice"):
        if not isinstance(body.get(field), str):
            raise Problem("bad_request", f"{field!r} must be text")
    for field in ("model", "voice"):
        if len(body[field]) > _LONGEST_NAME:
            raise Problem("bad_request", f"{field!r} has at most {_LONGEST_NAME} characters")
    text, voice = body["input"], body["voice"]
    if not text.strip() or len(text) > MOST_CHARACTERS:
        raise Problem("bad_request", f"'input' has {len(text)} characters; 1 to {MOST_CHARACTERS} are spoken")
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise Problem("bad_request", "'input' has halves of characters (surrogates)")
    form = body.get("response_format")
    form = "mp3" if form is None else form
    if not isinstance(form, str) or form not in FORMATS:
        raise Problem("bad_request", f"'response_format' is one of {', '.join(FORMATS)}")
    speed = body.get("speed", 1.0)
    speed = 1.0 if speed is None else speed
    if isinstance(speed, bool) or not isinstance(speed, int | float) or not 0.5 <= speed <= 2:
        raise Problem("bad_request", "'speed' is a number from 0.5 to 2")
    return body["model"], Wanted(text, voice, float(speed), form)
