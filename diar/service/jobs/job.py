"""One job: a recording that was uploaded, and what became of it."""

from __future__ import annotations

import hashlib
import json
import re
import time
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from diar.service.problems import Problem
from diar.service.security.callers import Caller

QUEUED, RUNNING, DONE, FAILED, CANCELLED = "queued", "running", "done", "failed", "cancelled"
OVER = (DONE, FAILED, CANCELLED)
PRESETS = ("auto", "general", "telephone")
WORD_FORMS = ("json", "srt", "vtt", "txt")
_LANGUAGE = re.compile("[a-z]{2,3}")


def check_language(language: str) -> None:
    """Raise Problem for what is no code of a language."""
    if not _LANGUAGE.fullmatch(language):
        raise Problem("bad_request", f"'language' is a code such as en; found {language!r}")


@dataclass(frozen=True)
class Asked:
    """What a job asks of `diar.diarize` and `diar.transcribe`; None = what the recording shows."""

    num_speakers: int | None = None
    min_speakers: int | None = None
    max_speakers: int | None = None
    preset: str = "auto"
    words: bool = False  # what was said, too
    language: str | None = None  # of the words

    def __post_init__(self) -> None:
        for name in ("num_speakers", "min_speakers", "max_speakers"):
            value = getattr(self, name)
            if value is not None and not 1 <= value <= 200:
                raise Problem("bad_request", f"'{name}' is a whole number from 1 to 200; found {value}")
        if self.preset not in PRESETS:
            raise Problem("bad_request", f"'preset' is one of {', '.join(PRESETS)}; found {self.preset!r}")
        if self.num_speakers is not None and (self.min_speakers, self.max_speakers) != (None, None):
            raise Problem(
                "bad_request", "give 'num_speakers', or 'min_speakers' and 'max_speakers', not both"
            )
        if self.min_speakers and self.max_speakers and self.min_speakers > self.max_speakers:
            raise Problem("bad_request", "'min_speakers' exceeds 'max_speakers'")
        if self.language is not None:
            if not self.words:
                raise Problem("bad_request", "'language' is that of words: give 'words=true', too")
            check_language(self.language)

    def of_speakers(self) -> dict[str, Any]:
        """Return what is asked of `diar.diarize`."""
        return {name: value for name, value in asdict(self).items() if name not in ("words", "language")}


@dataclass(frozen=True)
class Job:
    """A job as it is kept; times in seconds since the epoch."""

    id: str
    tenant: str
    subject: str
    replica: str
    name: str  # of the recording
    sha256: str  # of the upload
    size: int  # bytes
    asked: Asked = field(default_factory=Asked)
    status: str = QUEUED
    created: float = field(default_factory=time.time)
    started: float | None = None
    ended: float | None = None
    read_seconds: float = 0.0  # of the recording, so far
    progress: float = 0.0  # share of the recording that was read, 0 … 1
    code: str | None = None  # of the problem, where it failed
    message: str | None = None
    cached: bool = False  # the result is that of an earlier job
    result: str | None = None  # key of the result
    versions: dict[str, Any] | None = None  # of networks, thresholds and program

    @property
    def over(self) -> bool:
        """Whether nothing more happens."""
        return self.status in OVER

    def failed(self, problem: Problem) -> Job:
        """Return it, failed for a reason."""
        return replace(self, status=FAILED, ended=time.time(), code=problem.code, message=problem.message)

    def result_key(self, versions: dict[str, Any]) -> str:
        """Return what its result depends on: tenant, audio, what is asked, networks, thresholds, program."""
        parts = [self.tenant, self.sha256, self.name, asdict(self.asked), versions]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def document_key(self, document: str) -> str:
        """Return what a document of its result is kept under, once `result` is known."""
        return hashlib.sha256(f"{self.result} {document}".encode()).hexdigest()

    def to_json(self) -> str:
        """Return it as text."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: bytes) -> Job:
        """Return what `to_json` wrote."""
        fields = json.loads(text)
        return cls(**{**fields, "asked": Asked(**fields["asked"])})

    def told(self) -> dict[str, Any]:
        """Return what its owner sees."""
        hidden = ("tenant", "replica", "result")
        told = {name: value for name, value in asdict(self).items() if name not in hidden}
        links = {name: f"/v1/jobs/{self.id}/turns.{name}" for name in ("json", "rttm", "TextGrid")}
        if self.asked.words:
            links |= {f"words.{name}": f"/v1/jobs/{self.id}/words.{name}" for name in WORD_FORMS}
        return {**told, "progress": round(self.progress, 3), "links": links if self.status == DONE else {}}


def job_key(caller: Caller, identifier: str) -> str:
    """Return the name that a job is kept under; no tenant can name another's."""
    tenant = hashlib.sha256(caller.tenant.encode()).hexdigest()[:16]
    return f"job:{tenant}:{identifier}"
