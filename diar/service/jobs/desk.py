"""Jobs of this replica: taken, diarized one after the other by workers, kept until they are fetched."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

from diar.service.config import ServeConfig
from diar.service.jobs.job import CANCELLED, DONE, RUNNING, Asked, Job, job_key
from diar.service.jobs.process import Worker
from diar.service.jobs.results import Results
from diar.service.jobs.uploads import Upload, Uploads
from diar.service.jobs.worker import TURNS, WORDS, Networks, Task
from diar.service.metrics import Metrics
from diar.service.problems import Problem
from diar.service.security.audit import Audit
from diar.service.security.callers import Caller
from diar.service.security.names import checked_identifier, new_identifier
from diar.service.shared.store import Shared
from diar.service.words.wanted import check_words

_TELL = 0.5  # seconds from one note of the progress to the next
_LOG = logging.getLogger("diar.service")
_LOST = Problem("failed", "the replica that had the job has ended: send it again")


class JobDesk:
    """Takes jobs and has them done. Used in the event loop only.

    Args:
        config: limits.
        shared: where jobs and results are kept.
        metrics: are told of ends.
        audit: is told of beginnings and ends.
        replica: name of this process.
    """

    def __init__(
        self, config: ServeConfig, shared: Shared, metrics: Metrics, audit: Audit, replica: str
    ) -> None:
        self._config, self._shared, self._metrics, self._audit, self._replica = (
            config,
            shared,
            metrics,
            audit,
            replica,
        )
        self._temporary = None if config.results_dir else Path(tempfile.mkdtemp(prefix="diar-"))
        self._folder = config.results_dir or self._temporary or Path()
        self._keep = config.job_keep_hours * 3600
        self.uploads = Uploads(
            self._folder / "uploads" / replica, config.upload_megabytes * 1e6, config.job_urls
        )
        self._results = Results(shared, self._folder / "results", config.results_megabytes, self._keep)
        self._waiting: asyncio.Queue[tuple[Caller, Job, Upload]] = asyncio.Queue()
        self._running: dict[str, Worker] = {}
        self._cancelled: set[str] = set()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start to do jobs."""
        config = self._config
        networks = Networks(
            config.model, config.segmentation, config.device, config.precision, config.asr, config.threads
        )
        workers = [Worker(networks) for _ in range(config.job_workers)]
        self._tasks = [asyncio.create_task(self._work(worker)) for worker in workers]

    async def stop(self) -> None:
        """End all workers, and remove what was uploaded."""
        for task in self._tasks:
            task.cancel()
        for worker in list(self._running.values()):
            await asyncio.to_thread(worker.end)
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        shutil.rmtree(self._folder / "uploads" / self._replica, ignore_errors=True)
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)

    def check_room(self, asked: Asked) -> None:
        """Raise Problem if no job can be taken, or not this one."""
        if asked.words:
            check_words(self._config, asked.language)
        if not self._config.job_workers:
            raise Problem("not_found", "this server takes no jobs (`job_workers=0`)")
        if self._waiting.qsize() >= self._config.job_queue:
            raise Problem("full", f"{self._config.job_queue} jobs wait already", retry_after=30)

    async def take(self, caller: Caller, identifier: str, upload: Upload, asked: Asked) -> Job:
        """Take a job for an upload."""
        job = Job(
            identifier,
            caller.tenant,
            caller.subject,
            self._replica,
            upload.path.name,
            upload.sha256,
            upload.size,
            asked,
        )
        await self._keep_job(caller, job)
        self._audit.write("job.create", caller, "ok", job=job.id, bytes=job.size, sha256=job.sha256)
        self._waiting.put_nowait((caller, job, upload))
        self._count()
        return job

    async def find(self, caller: Caller, identifier: str) -> Job:
        """Return a job of the caller's tenant; raises Problem `not_found`."""
        key = job_key(caller, checked_identifier("j", identifier))
        kept = await self._shared.call(lambda store: store.get(key))
        if kept is None:
            raise Problem("not_found", "there is no such job, or it is too old")
        job = Job.from_json(kept)
        if not job.over and job.replica != self._replica and await self._is_lost(job):
            job = job.failed(_LOST)
            await self._keep_job(caller, job)
        return job

    async def result(self, job: Job, document: str = TURNS) -> bytes:
        """Return turns.json of a job, or words.json; raises Problem if there is none."""
        if document == WORDS and not job.asked.words:
            raise Problem("not_found", "the job was not asked for words: send it with 'words=true'")
        if not job.over:
            raise Problem("not_ready", f"the job is {job.status}", retry_after=2)
        if job.status != DONE or job.result is None:
            raise Problem("failed", job.message or f"the job was {job.status}")
        found = await self._results.get(job.document_key(document))
        if found is None:
            raise Problem("gone", "the result is kept no more: send the job again")
        return found

    async def cancel(self, caller: Caller, identifier: str) -> Job:
        """End a job, or forget that it waits."""
        job = await self.find(caller, identifier)
        if job.over:
            return job
        if job.replica != self._replica:
            raise Problem("conflict", "the job is at another replica: send this there", retry_after=3)
        self._cancelled.add(job.id)
        if job.id in self._running:
            await asyncio.to_thread(self._running[job.id].end)
        job = replace(job, status=CANCELLED, ended=time.time())
        await self._keep_job(caller, job)
        self._audit.write("job.cancel", caller, "ok", job=job.id)
        return job

    async def changes(self, caller: Caller, job: Job) -> AsyncIterator[Job]:
        """Yield a job whenever it has changed, until it is over."""
        yield job
        while not job.over:
            await asyncio.sleep(_TELL)
            found = await self.find(caller, job.id)
            if found != job:
                yield found
            job = found

    async def _work(self, worker: Worker) -> None:
        """Do one job after the other, for ever."""
        while True:
            caller, job, upload = await self._waiting.get()
            try:
                if job.id not in self._cancelled:
                    await self._do(worker, caller, job, upload)
            except Exception:
                _LOG.exception("job %s was lost", job.id)
                await self._end(caller, job.failed(Problem("internal", "the server failed; see its log")))
            finally:
                self._cancelled.discard(job.id)
                self.uploads.remove(job.id)
                self._count()

    async def _do(self, worker: Worker, caller: Caller, job: Job, upload: Upload) -> None:
        job = replace(job, status=RUNNING, started=time.time())
        await self._keep_job(caller, job)
        self._running[job.id] = worker
        try:
            versions = await asyncio.to_thread(worker.versions, job.asked.words)
            job = replace(job, versions=versions, result=job.result_key(versions))
            cached = await self._is_kept(job)
            if not cached:
                for document, text in (await self._run(worker, caller, job, upload)).items():
                    await self._results.put(job.document_key(document), text.encode())
            done = replace(job, status=DONE, ended=time.time(), progress=1.0, cached=cached)
            self._metrics.ttfa.labels("job").observe(time.time() - job.created)
            await self._end(caller, done)
        except Problem as problem:
            if job.id not in self._cancelled:
                await self._end(caller, job.failed(problem))
        finally:
            self._running.pop(job.id, None)

    async def _is_kept(self, job: Job) -> bool:
        """Whether all documents of a job's result are there already."""
        wanted = (TURNS, WORDS) if job.asked.words else (TURNS,)
        return all([await self._results.get(job.document_key(one)) is not None for one in wanted])

    async def _run(self, worker: Worker, caller: Caller, job: Job, upload: Upload) -> dict[str, str]:
        """Return the documents of the result; note the progress meanwhile."""
        loop, noted = asyncio.get_running_loop(), 0.0

        def on_read(seconds: float, share: float) -> None:
            nonlocal noted
            if time.monotonic() - noted < _TELL:
                return
            noted = time.monotonic()
            told = replace(job, read_seconds=round(seconds, 1), progress=share)
            asyncio.run_coroutine_threadsafe(self._keep_job(caller, told), loop)

        asked, most = job.asked, self._config.job_hours * 3600
        task = Task(str(upload.path), asked.of_speakers(), most, asked.words, asked.language)
        return await asyncio.to_thread(worker.run, task, self._config.job_seconds, on_read)

    async def _end(self, caller: Caller, job: Job) -> None:
        await self._keep_job(caller, job)
        self._metrics.jobs.labels(job.code or job.status).inc()
        seconds = round((job.ended or 0) - job.created, 1)
        self._audit.write("job.end", caller, job.code or "ok", job=job.id, seconds=seconds, cached=job.cached)

    async def _keep_job(self, caller: Caller, job: Job) -> None:
        key, text = job_key(caller, job.id), job.to_json().encode()
        await self._shared.call(lambda store: store.set(key, text, self._keep))

    async def _is_lost(self, job: Job) -> bool:
        return (
            self._shared.there and await self._shared.call(lambda s: s.get(f"replica:{job.replica}")) is None
        )

    def _count(self) -> None:
        self._metrics.jobs_waiting.set(self._waiting.qsize() + len(self._running))


def new_job() -> str:
    """Return a new identifier."""
    return new_identifier("j")
