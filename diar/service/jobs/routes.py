"""`/v1/jobs`: whole recordings."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from diar.formats.labels import format_textgrid
from diar.formats.rttm import format_rttm
from diar.formats.turns_json import from_json
from diar.formats.words.document import from_json as words_from_json
from diar.formats.words.table import FORMATS
from diar.service.answers import links, problems
from diar.service.jobs.desk import new_job
from diar.service.jobs.job import DONE, WORD_FORMS, Asked, Job
from diar.service.jobs.uploads import Upload, body_pieces, safe_name, small_body
from diar.service.jobs.worker import WORDS
from diar.service.problems import Problem
from diar.service.security.callers import JOBS
from diar.service.security.shield import MOST_BODY
from diar.service.service import Service
from diar.service.sessions import sse
from diar.service.sessions.opening import parse_object

_URL_ONLY = "application/json"
_FORM = "multipart/form-data"  # curl calls a plain body application/x-www-form-urlencoded: that is taken
_LINKED = ("jobs_status", "jobs_events", "jobs_turns", "jobs_words", "jobs_cancel")
BODY = {
    "content": {
        "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        _URL_ONLY: {
            "schema": {"type": "object", "required": ["url"], "properties": {"url": {"type": "string"}}}
        },
    }
}


def asked(
    num_speakers: Annotated[int | None, Query()] = None,
    min_speakers: Annotated[int | None, Query()] = None,
    max_speakers: Annotated[int | None, Query()] = None,
    preset: Annotated[str, Query()] = Asked.preset,
    words: Annotated[bool, Query()] = False,
    language: Annotated[str | None, Query()] = None,
) -> Asked:
    """Return what the query asks for."""
    return Asked(num_speakers, min_speakers, max_speakers, preset, words, language)


def job_routes(service: Service) -> APIRouter:
    """Return the routes."""
    router = APIRouter(tags=["jobs"], responses=problems())

    @router.post(
        "/v1/jobs",
        status_code=202,
        openapi_extra={"requestBody": BODY},
        responses={
            202: links(
                "job_id", "id", "jobs_status", "jobs_events", "jobs_turns", "jobs_words", "jobs_cancel"
            )
        },
    )
    async def create(
        request: Request, what: Annotated[Asked, Depends(asked)], name: Annotated[str | None, Query()] = None
    ) -> dict[str, Any]:
        """Take a recording: the body is its file, or JSON with a `url` where that is allowed."""
        caller = await service.enter(request, JOBS)
        service.jobs.check_room(what)
        identifier = new_job()
        upload = await _receive(service, request, identifier, name)
        return (await service.jobs.take(caller, identifier, upload, what)).told()

    @router.get("/v1/jobs/{job_id}")
    async def status(request: Request, job_id: str) -> dict[str, Any]:
        """Return how far a job is."""
        caller = await service.enter(request, JOBS)
        return (await service.jobs.find(caller, job_id)).told()

    @router.delete("/v1/jobs/{job_id}")
    async def cancel(request: Request, job_id: str) -> dict[str, Any]:
        """End a job."""
        caller = await service.enter(request, JOBS)
        return (await service.jobs.cancel(caller, job_id)).told()

    @router.get("/v1/jobs/{job_id}/events", response_class=sse.StreamingResponse)
    async def events(request: Request, job_id: str) -> sse.StreamingResponse:
        """Send progress as server-sent events, then `done` or `error`."""
        caller = await service.enter(request, JOBS, ticket=True)
        job = await service.jobs.find(caller, job_id)
        return sse.response(sse.with_beats(service.jobs.changes(caller, job), _event))

    _result_routes(router, service)
    return router


def _result_routes(router: APIRouter, service: Service) -> None:
    @router.get("/v1/jobs/{job_id}/turns.{form}", response_class=Response)
    async def turns(request: Request, job_id: str, form: str) -> Response:
        """Return the result as `json` (docs/turns-schema.md), `rttm` or `TextGrid`."""
        caller = await service.enter(request, JOBS)
        job = await service.jobs.find(caller, job_id)
        return _as(form, (await service.jobs.result(job)).decode(), job)

    @router.get("/v1/jobs/{job_id}/words.{form}", response_class=Response)
    async def words(request: Request, job_id: str, form: str) -> Response:
        """Return what was said as `json` (docs/words-schema.json), `srt`, `vtt` or `txt`."""
        caller = await service.enter(request, JOBS)
        job = await service.jobs.find(caller, job_id)
        if form not in WORD_FORMS:
            raise Problem("not_found", f"words.{form} is none of {', '.join(WORD_FORMS)}")
        return _words_as(form, (await service.jobs.result(job, WORDS)).decode(), job)


async def _receive(service: Service, request: Request, identifier: str, name: str | None) -> Upload:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    patience = service.config.idle_seconds
    if kind == _FORM:
        raise Problem(
            "unsupported_format", "send the audio itself, not a form: curl --data-binary @meeting.wav"
        )
    if kind == _URL_ONLY:
        url = parse_object(await small_body(request, MOST_BODY, patience)).get("url")
        if not isinstance(url, str):
            raise Problem("bad_request", "a JSON body names the 'url' of the recording")
        return await service.jobs.uploads.fetch(identifier, url, patience)
    return await service.jobs.uploads.save(identifier, safe_name(name), body_pieces(request), patience)


def _as(form: str, text: str, job: Job) -> Response:
    if form == "json":
        return Response(text, media_type="application/json")
    found = from_json(text, job.name)
    if form == "rttm":
        return Response(format_rttm(found.turns), media_type="text/plain")
    if form == "TextGrid":
        return Response(format_textgrid(found.turns, found.duration), media_type="text/plain")
    raise Problem("not_found", f"turns.{form} is none of turns.json, turns.rttm, turns.TextGrid")


def _words_as(form: str, text: str, job: Job) -> Response:
    if form == "json":
        return Response(text, media_type="application/json")
    kind = "text/vtt" if form == "vtt" else "text/plain"
    return Response(FORMATS[form].write(words_from_json(text, job.name)), media_type=kind)


def _event(job: Job) -> str:
    kind = "done" if job.status == DONE else "error" if job.over else "progress"
    return sse.message(kind, json.dumps(job.told(), ensure_ascii=False))
