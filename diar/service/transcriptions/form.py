"""The form of a transcription: read with limits, checked field by field."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from python_multipart.exceptions import FormParserError
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from diar.service.jobs.job import Asked, check_language
from diar.service.problems import Problem
from diar.service.transcriptions.answers import RESPONSE_FORMATS, FieldProblem
from diar.service.waiting import within

OTHER_MODELS = ("whisper-1", "gpt-4o-transcribe-diarize")  # names that OpenAI's clients send: ours is meant
_MOST_FIELD = 64 * 1024  # bytes
_MOST_FIELDS = 64
_GRANULARITIES = ("word", "segment")
_SPEAKERS = ("num_speakers", "min_speakers", "max_speakers")  # additions to OpenAI's fields
_REFUSED = {
    "prompt": "recognisers are not prompted here",
    "include": "there are no probabilities of tokens",
    "keywords": "recognisers are not prompted here",
    "languages": "give one 'language', or none",
    "known_speaker_names": "enrol people by `diar serve --known_speakers`, for live sessions",
    "known_speaker_references": "enrol people by `diar serve --known_speakers`, for live sessions",
}
KNOWN = (
    *("file", "model", "language", "response_format", "temperature", "timestamp_granularities", "stream"),
    *("chunking_strategy", "preset", *_SPEAKERS),
)


@dataclass(frozen=True)
class Transcription:
    """What a form asks for."""

    file: UploadFile
    asked: Asked
    response_format: str
    granularities: tuple[str, ...]


async def read_form(headers: Headers, pieces: AsyncIterator[bytes], most: float, patience: float) -> FormData:
    """Return the form of a body; files are on disk where they are large.

    Args:
        headers: of the request.
        pieces: its body.
        most: bytes of a file.
        patience: longest wait for the next piece, seconds.

    Raises:
        Problem: no such form, too large, or it stopped coming.
    """
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        raise Problem("unsupported_format", f"send a form (multipart/form-data) with a 'file', not {kind!r}")
    parser = MultiPartParser(
        headers,
        _limited(pieces, most + _MOST_FIELDS * _MOST_FIELD, patience),
        max_files=1,
        max_fields=_MOST_FIELDS,
        max_part_size=_MOST_FIELD,
    )
    try:
        return await parser.parse()
    except (MultiPartException, FormParserError) as error:
        raise Problem("bad_request", f"the form cannot be read: {error}") from None


async def _limited(pieces: AsyncIterator[bytes], most: float, patience: float) -> AsyncGenerator[bytes, None]:
    size = 0
    while True:
        try:
            piece = await within(patience, anext(pieces, None))
        except TimeoutError:
            raise Problem("idle", f"nothing came for {patience:.0f} s") from None
        if piece is None or size > 2 * most:
            break
        size += len(piece)
        if size <= most:  # more is read and dropped: a client that still sends hears no answer
            yield piece
    if size > most:
        raise Problem("too_large", f"uploads have at most {most / 1e6:g} MB")


def transcription_of(form: FormData, asr: str) -> Transcription:
    """Check a form.

    Args:
        form: as it came.
        asr: name of the recogniser, which is a `model`, too.

    Raises:
        Problem: a field that is missing, wrong or not supported, with the reason.
    """
    fields: dict[str, list[Any]] = {}
    for name, value in form.multi_items():
        fields.setdefault(name.removesuffix("[]"), []).append(value)
    file = fields.pop("file", [None])[0]
    if not isinstance(file, UploadFile):
        raise FieldProblem("file", "the form has no 'file' with a filename")
    if any(isinstance(value, UploadFile) for values in fields.values() for value in values):
        raise FieldProblem(min(fields), "only 'file' is a file")
    several = tuple(fields.pop("timestamp_granularities", ()))
    given = {name: str(values[-1]) for name, values in fields.items() if str(values[-1]).strip()}
    _check_supported(given, asr)
    form_of_answer = given.get("response_format", "json")
    if form_of_answer not in RESPONSE_FORMATS:
        raise FieldProblem("response_format", f"one of {', '.join(RESPONSE_FORMATS)}")
    return Transcription(file, _asked(given), form_of_answer, _granularities(several, form_of_answer))


def _check_supported(given: Mapping[str, str], asr: str) -> None:
    for name, reason in _REFUSED.items():
        if name in given:
            raise FieldProblem(name, f"is not supported: {reason}")
    unknown = min(set(given) - set(KNOWN), default=None)
    if unknown is not None:
        raise FieldProblem(unknown, f"is no field of this; known: {', '.join(KNOWN)}")
    models = (asr, *OTHER_MODELS)
    if given.get("model") not in models:
        raise FieldProblem("model", f"one of {', '.join(models)}; found {given.get('model')!r}")
    if given.get("stream", "false").lower() not in ("false", "0"):
        raise FieldProblem("stream", "is not supported: leave it out; live audio goes to /v1/live")
    if _number("temperature", given) != 0:
        raise FieldProblem("temperature", "is not supported but for 0: the same audio gives the same words")
    if given.get("chunking_strategy", "auto").strip('"') != "auto":
        raise FieldProblem("chunking_strategy", "is not supported but for auto: speech is cut in pauses")


def _granularities(several: tuple[Any, ...], response_format: str) -> tuple[str, ...]:
    for one in several:
        if one not in _GRANULARITIES:
            raise FieldProblem("timestamp_granularities", f"each is one of {', '.join(_GRANULARITIES)}")
    if several and response_format != "verbose_json":
        raise FieldProblem("timestamp_granularities", "needs the response_format verbose_json")
    return several or ("segment",)


def _asked(given: Mapping[str, str]) -> Asked:
    language = given.get("language")
    if language is not None:
        try:
            check_language(language)
        except Problem as problem:
            raise FieldProblem("language", problem.message) from None
    return Asked(
        _whole("num_speakers", given),
        _whole("min_speakers", given),
        _whole("max_speakers", given),
        given.get("preset", Asked.preset),
        words=True,
        language=language,
    )


def _whole(name: str, given: Mapping[str, str]) -> int | None:
    text = given.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal()) or len(text) > 4:
        raise FieldProblem(name, "a whole number is needed")
    return int(text)


def _number(name: str, given: Mapping[str, str]) -> float:
    try:
        return float(json.loads(given.get(name, "0")))
    except (ValueError, TypeError, RecursionError):
        raise FieldProblem(name, "a number is needed") from None
