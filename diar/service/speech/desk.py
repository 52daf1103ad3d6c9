"""Speaks texts sentence by sentence, in turns with other requests, and keeps what was spoken."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from prometheus_client import CollectorRegistry

from diar.errors import explain
from diar.service.config import ServeConfig
from diar.service.jobs.results import Results
from diar.service.problems import Problem
from diar.service.security.callers import Caller
from diar.service.shared.store import Shared
from diar.service.speech.cutting import pause_after, sentences
from diar.service.speech.encoding import Encoder
from diar.service.speech.metrics import SpeechMetrics
from diar.service.speech.process import SpeechError, SpeechProcess
from diar.service.speech.versions import Version, chosen, parse_versions
from diar.voices.synthesizer import Text

ValueT = TypeVar("ValueT")
_LOG = logging.getLogger("diar.service")


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
        own: of these, of one caller.
        results: keeps answers.
        metrics: are told.
        temporary: a folder that goes at the end.
    """

    def __init__(
        self,
        versions: Mapping[str, list[Version]],
        threads: int,
        queue: int,
        own: int,
        results: Results,
        metrics: SpeechMetrics,
        *,
        temporary: Path | None = None,
    ) -> None:
        self._versions = versions
        self._engines = {one: _Engine(one, threads) for own in versions.values() for one in own}
        self._queue, self._own, self._results, self._metrics = queue, own, results, metrics
        self._at_work: Counter[str] = Counter()  # by caller
        self._temporary = temporary

    async def voices(self) -> Mapping[str, tuple[str, ...]]:
        """Return the voices of each model; its main version tells."""
        return {name: await self._engines[own[0]].voices() for name, own in self._versions.items()}

    def version(self, model: str, wanted: Wanted) -> Version:
        """Return who speaks; raises Problem for an unknown model."""
        version = chosen(self._versions, model, json.dumps(asdict(wanted)))
        if version is None:
            raise Problem("bad_request", f"model {model!r} is unknown; there are {', '.join(self._versions)}")
        return version

    async def speak(self, caller: Caller, version: Version, wanted: Wanted) -> AsyncGenerator[bytes, None]:
        """Yield the answer's bytes as they are made; what the tenant has had before comes in one piece.

        Raises:
            Problem: an unknown voice, nothing to speak, too many requests, a synthesizer that failed.
        """
        began = time.monotonic()
        key = key_of(caller.tenant, version, wanted)
        kept = await self._results.get(key)
        self._metrics.asked(version.label, len(wanted.text), kept is not None)
        if kept is not None:
            self._metrics.began(time.monotonic() - began, True)
            yield kept
            return
        with self._place(caller):
            parts: list[bytes] = []
            async with aclosing(self._made(version, wanted)) as made:
                async for part in made:
                    if not parts:
                        self._metrics.began(time.monotonic() - began, False)
                    parts.append(part)
                    yield part
            try:
                await self._results.put(key, b"".join(parts))
            except OSError as error:  # a disk that is full costs the next request its time, not this one
                _LOG.warning("what was spoken is not kept: %s", explain(error))

    @contextmanager
    def _place(self, caller: Caller) -> Iterator[None]:
        """Hold a place among the requests at work; raises Problem where there is none."""
        if self._at_work[caller.key] >= self._own:
            raise Problem("too_many", f"{self._own} of your requests for speech are at work", retry_after=5)
        if self._at_work.total() >= self._queue:
            raise Problem("full", f"{self._queue} requests for speech are at work", retry_after=5)
        self._at_work[caller.key] += 1
        self._metrics.at_work(self._at_work.total())
        try:
            yield
        finally:
            self._at_work[caller.key] -= 1
            self._at_work += Counter()  # forgets who has none
            self._metrics.at_work(self._at_work.total())

    async def stop(self) -> None:
        """End the synthesizers."""
        for engine in self._engines.values():
            await asyncio.to_thread(engine.stop)
        if self._temporary is not None:
            await asyncio.to_thread(shutil.rmtree, self._temporary, ignore_errors=True)

    async def _made(self, version: Version, wanted: Wanted) -> AsyncGenerator[bytes, None]:
        engine = self._engines[version]
        voices = await engine.voices()
        if wanted.voice not in voices:
            told = ", ".join(voices)
            raise Problem("bad_request", f"voice {wanted.voice!r} is unknown; {version.name} has {told}")
        encoder = Encoder(wanted.form, engine.rate, engine.name)
        pause, heard = 0.0, False
        for piece in sentences(wanted.text):
            begun = time.monotonic()
            samples = await engine.speak(Text(piece, wanted.voice, wanted.speed))
            if not len(samples):  # dashes, say, between sentences
                continue
            self._metrics.made(len(samples) / engine.rate, time.monotonic() - begun)
            silence = np.zeros(round(pause * engine.rate), np.float32)
            pause, heard = pause_after(piece), True
            part = await asyncio.to_thread(encoder.push, np.concatenate([silence, samples]))
            if part:
                yield part
        if not heard:
            raise Problem("failed", "no speech: there is nothing to speak in 'input'")
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
        if not self._process.ready:  # else nobody waits for the sentences of others
            await self._run(self._process.open)
        return self._process.voices

    async def speak(self, text: Text) -> np.ndarray:
        return await self._run(self._process.speak, text)

    async def _run(self, do: Callable[..., ValueT], *arguments: Text) -> ValueT:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, do, *arguments)
        except SpeechError as error:
            # For callers, and in the audit log, it would say too much; texts are in no log
            _LOG.error("no speech: %s", without_text(str(error), [one.text for one in arguments]))
            raise Problem("full", "the synthesizer has failed; try again", retry_after=5) from None

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
        versions,
        config.speech_threads,
        config.speech_queue,
        config.caller_speech,
        results,
        metrics,
        temporary=temporary,
    )


def without_text(message: str, texts: Iterable[str]) -> str:
    """Return what an engine says of a failure without what it was to speak, however it quotes that."""
    for text in texts:
        forms = {text, repr(text)[1:-1], json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}
        for form in sorted(forms - {""}, key=len, reverse=True):
            message = message.replace(form, "(the text)")
    return message


def key_of(tenant: str, version: Version, wanted: Wanted) -> str:
    """Return the name under which an answer is kept; no tenant can learn what another has had spoken."""
    content = json.dumps([tenant, version.weights, _stamp(version.weights), asdict(wanted)])
    return hashlib.sha256(content.encode()).hexdigest()


def _stamp(weights: str) -> float:
    """Return when a folder of weights was changed last: other weights there are another version."""
    folder = Path(weights).expanduser()
    return max((file.stat().st_mtime for file in folder.iterdir()), default=0.0) if folder.is_dir() else 0.0
