"""Speaks texts sentence by sentence, in turns with other requests, and keeps what was spoken."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import shutil
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import numpy as np
from prometheus_client import CollectorRegistry

from diar.service.config import ServeConfig
from diar.service.jobs.results import Results
from diar.service.problems import Problem
from diar.service.shared.store import Shared
from diar.service.speech.encoding import Encoder
from diar.service.speech.metrics import SpeechMetrics
from diar.service.speech.process import SpeechError, SpeechProcess
from diar.service.speech.versions import Version, chosen, parse_versions
from diar.voices.synthesizer import Text

ValueT = TypeVar("ValueT")

_SENTENCE_END = re.compile(r"[.!?…]+[\"”')\]]*\s+(?![a-z])")
_PAUSE = 0.25  # seconds between two sentences
_SHORTEST = 12  # characters: shorter ones are spoken with the next, for their melody


@dataclass(frozen=True)
class Wanted:
    """One request: what decides its audio."""

    text: str
    voice: str
    speed: float
    form: str


class SpeechDesk:
    """Answers requests for speech. Used in the event loop only.

    Args:
        versions: of each model's name, the main one first.
        threads: CPU threads of each synthesizer.
        queue: requests that may be at work or wait.
        results: keeps answers.
        metrics: are told.
        temporary: a folder that goes at the end.
    """

    def __init__(
        self,
        versions: Mapping[str, list[Version]],
        threads: int,
        queue: int,
        results: Results,
        metrics: SpeechMetrics,
        *,
        temporary: Path | None = None,
    ) -> None:
        self._versions = versions
        self._engines = {one: _Engine(one, threads) for own in versions.values() for one in own}
        self._queue, self._results, self._metrics = queue, results, metrics
        self._at_work, self._temporary = 0, temporary

    async def voices(self) -> Mapping[str, tuple[str, ...]]:
        """Return the voices of each model; its main version tells."""
        return {name: await self._engines[own[0]].voices() for name, own in self._versions.items()}

    def version(self, model: str, wanted: Wanted) -> Version:
        """Return who speaks; raises Problem for an unknown model."""
        version = chosen(self._versions, model, json.dumps(asdict(wanted)))
        if version is None:
            raise Problem("bad_request", f"model {model!r} is unknown; there are {', '.join(self._versions)}")
        return version

    async def speak(self, tenant: str, version: Version, wanted: Wanted) -> AsyncGenerator[bytes, None]:
        """Yield the answer's bytes as they are made; what the tenant has had before comes in one piece.

        Raises:
            Problem: an unknown voice, nothing to speak, too many requests.
        """
        began = time.monotonic()
        key = key_of(tenant, version, wanted)
        kept = await self._results.get(key)
        self._metrics.asked(version.label, len(wanted.text), kept is not None)
        if kept is not None:
            self._metrics.began(time.monotonic() - began, True)
            yield kept
            return
        if self._at_work >= self._queue:
            raise Problem("full", f"{self._queue} requests for speech are at work", retry_after=5)
        self._at_work += 1
        try:
            parts: list[bytes] = []
            async for part in self._made(version, wanted):
                if not parts:
                    self._metrics.began(time.monotonic() - began, False)
                parts.append(part)
                yield part
            await self._results.put(key, b"".join(parts))
        finally:
            self._at_work -= 1

    async def stop(self) -> None:
        """End the synthesizers."""
        for engine in self._engines.values():
            await asyncio.to_thread(engine.stop)
        if self._temporary is not None:
            await asyncio.to_thread(shutil.rmtree, self._temporary, ignore_errors=True)

    async def _made(self, version: Version, wanted: Wanted) -> AsyncIterator[bytes]:
        engine = self._engines[version]
        voices = await engine.voices()
        if wanted.voice not in voices:
            told = ", ".join(voices)
            raise Problem("bad_request", f"voice {wanted.voice!r} is unknown; {version.name} has {told}")
        encoder = Encoder(wanted.form, engine.rate, engine.name)
        pause = np.zeros(round(_PAUSE * engine.rate), np.float32)
        for number, sentence in enumerate(sentences(wanted.text)):
            begun = time.monotonic()
            samples = await engine.speak(Text(sentence, wanted.voice, wanted.speed))
            self._metrics.made(len(samples) / engine.rate, time.monotonic() - begun)
            spoken = np.concatenate([pause, samples]) if number else samples
            part = await asyncio.to_thread(encoder.push, spoken)
            if part:
                yield part
        rest = await asyncio.to_thread(encoder.finish)
        if rest:
            yield rest


class _Engine:
    """One synthesizer; requests take turns by the sentence, first come, first served."""

    def __init__(self, version: Version, threads: int) -> None:
        self._process = SpeechProcess(version.weights, threads)
        self._thread = ThreadPoolExecutor(1, "speech")

    @property
    def rate(self) -> int:
        return self._process.rate

    @property
    def name(self) -> str:
        return self._process.name

    async def voices(self) -> tuple[str, ...]:
        """Open it if it is not; return its voices; raises Problem."""
        await self._run(self._process.open)
        return self._process.voices

    async def speak(self, text: Text) -> np.ndarray:
        return await self._run(self._process.speak, text)

    async def _run(self, do: Callable[..., ValueT], *arguments: Text) -> ValueT:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, do, *arguments)
        except SpeechError as error:
            raise Problem("failed", f"no speech: {error}") from None

    def stop(self) -> None:
        self._process.end()
        self._thread.shutdown(wait=False, cancel_futures=True)


def speech_desk(config: ServeConfig, shared: Shared, registry: CollectorRegistry) -> SpeechDesk:
    """Return the desk of a service; without `voices` it has no versions, and there is no route to it.

    Raises:
        DiarError: entries of `voices` that cannot be read.
    """
    versions = parse_versions(config.voices)
    temporary = None if config.results_dir or not versions else Path(tempfile.mkdtemp(prefix="diar-speech-"))
    folder = (config.results_dir or temporary or Path()) / "speech"
    keep = 3600 * config.speech_keep_hours
    results = Results(shared, folder, config.results_megabytes, keep, suffix=".audio")
    metrics = SpeechMetrics(registry if versions else CollectorRegistry())
    return SpeechDesk(
        versions, config.speech_threads, config.speech_queue, results, metrics, temporary=temporary
    )


def sentences(text: str) -> list[str]:
    """Cut a text into sentences; very short ones go with the next."""
    text = text.strip()
    ends = [found.end() for found in _SENTENCE_END.finditer(text)]
    found: list[str] = []
    short = ""
    for start, end in pairwise([0, *ends, len(text)]):
        joined = f"{short} {text[start:end].strip()}".strip()
        if len(joined) < _SHORTEST:
            short = joined
        else:
            found.append(joined)
            short = ""
    if short:
        found[-1:] = [f"{found[-1]} {short}"] if found else [short]
    return found


def key_of(tenant: str, version: Version, wanted: Wanted) -> str:
    """Return the name under which an answer is kept; no tenant can learn what another has had spoken."""
    content = json.dumps([tenant, version.weights, _stamp(version.weights), asdict(wanted)])
    return hashlib.sha256(content.encode()).hexdigest()


def _stamp(weights: str) -> float:
    """Return when a folder of weights was changed last: other weights there are another version."""
    folder = Path(weights).expanduser()
    return max((file.stat().st_mtime for file in folder.iterdir()), default=0.0) if folder.is_dir() else 0.0
