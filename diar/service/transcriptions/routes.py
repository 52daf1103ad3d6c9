"""`POST /v1/audio/transcriptions`: a job, and its answer in the same request."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Request
from starlette.datastructures import UploadFile
from starlette.responses import Response

from diar.formats.words.document import from_json
from diar.service.answers import problems
from diar.service.jobs.desk import new_job
from diar.service.jobs.job import Job
from diar.service.jobs.uploads import body_pieces, safe_name
from diar.service.jobs.worker import WORDS
from diar.service.problems import Problem
from diar.service.security.callers import JOBS, Caller
from diar.service.service import Service
from diar.service.transcriptions.answers import ERROR_SCHEMA, RESPONSE_FORMATS, answer, error_answer
from diar.service.transcriptions.form import Transcription, read_form, transcription_of

_PIECE = 2**20  # bytes
_SOON, _LATER, _PATIENT = 0.1, 0.5, 5.0  # seconds from one look at the job to the next; seconds of short ones
_TEXT = {"schema": {"type": "string"}}
_FIELDS: dict[str, Any] = {
    "file": {"type": "string", "format": "binary"},
    "model": {"type": "string", "examples": ["whisper-1"]},
    "language": {"type": "string", "pattern": "^[a-z]{2,3}$"},
    "response_format": {"enum": RESPONSE_FORMATS},
    "temperature": {"type": "number", "minimum": 0, "maximum": 0},
    "timestamp_granularities[]": {"type": "array", "items": {"enum": ["word", "segment"]}},
    "stream": {"enum": ["false"]},
    "chunking_strategy": {"enum": ["auto"]},
    "num_speakers": {"type": "integer", "minimum": 1, "maximum": 200},
    "min_speakers": {"type": "integer", "minimum": 1, "maximum": 200},
    "max_speakers": {"type": "integer", "minimum": 1, "maximum": 200},
    "preset": {"enum": ["auto", "general", "telephone"]},
}
_FORM = {"type": "object", "required": ["file", "model"], "properties": _FIELDS}
_BODY = {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _FORM}}}}


def transcription_routes(service: Service) -> APIRouter:
    """Return the route."""
    router = APIRouter(tags=["transcriptions"])

    @router.post(
        "/v1/audio/transcriptions",
        openapi_extra=_BODY,
        response_class=Response,
        responses={
            **{status: _error(told) for status, told in problems().items()},
            200: {"content": {"application/json": {"schema": {"type": "object"}}, "text/plain": _TEXT}},
        },
    )
    async def create(request: Request) -> Response:
        """Return what was said in a recording, as OpenAI's endpoint of that name does."""
        try:
            return await _transcribed(service, request)
        except Problem as problem:
            service.refused(problem, getattr(request.state, "caller", None), "transcription")
            return error_answer(problem)

    return router


def _error(told: dict[str, Any]) -> dict[str, Any]:
    return {**told, "content": {"application/json": {"schema": ERROR_SCHEMA}}}


async def _transcribed(service: Service, request: Request) -> Response:
    caller, config = await service.enter(request, JOBS), service.config
    form = await read_form(
        request.headers, body_pieces(request), config.upload_megabytes * 1e6, config.idle_seconds
    )
    try:
        wanted = transcription_of(form, config.asr)
        job = await _begin(service, caller, wanted)
    finally:
        await form.close()
    job = await _finished(service, request, caller, job)
    text = (await service.jobs.result(job, WORDS)).decode()
    return answer(from_json(text, job.name), wanted.response_format, wanted.granularities)


async def _begin(service: Service, caller: Caller, wanted: Transcription) -> Job:
    service.jobs.check_room(wanted.asked)
    identifier, name = new_job(), safe_name(wanted.file.filename)
    patience = service.config.idle_seconds
    upload = await service.jobs.uploads.save(identifier, name, _pieces(wanted.file), patience)
    return await service.jobs.take(caller, identifier, upload, wanted.asked)


async def _pieces(file: UploadFile) -> AsyncIterator[bytes]:
    while piece := await file.read(_PIECE):
        yield piece


async def _finished(service: Service, request: Request, caller: Caller, job: Job) -> Job:
    """Return the job once it is over; end it if the client leaves."""
    began = time.monotonic()
    while not job.over:
        if await request.is_disconnected():
            await service.jobs.cancel(caller, job.id)
            raise Problem("bad_request", "the client left before the answer")
        await asyncio.sleep(_SOON if time.monotonic() - began < _PATIENT else _LATER)
        job = await service.jobs.find(caller, job.id)
    return job
