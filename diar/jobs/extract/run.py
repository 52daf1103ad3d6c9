"""One rank from start to end: open the networks, agree on the plan, do shards until none is left, add up."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

import torch
import torch.distributed as dist

from diar import storage
from diar.enhance.echo import without_echo
from diar.errors import EXIT_FAILURES, EXIT_INTERRUPTED, EXIT_OK
from diar.jobs.extract import prepare
from diar.jobs.extract.config import ExtractConfig
from diar.jobs.extract.job import Job, Settling, Share
from diar.jobs.extract.leftovers import sweep_shards
from diar.jobs.extract.networks.open import MakeEmbedder, Models, build_embedder, open_models
from diar.jobs.extract.networks.pipelines import chunk_settings
from diar.jobs.extract.plan import shard_recordings
from diar.jobs.extract.profiling import Profiler
from diar.jobs.extract.resources import Sizes, compute_threads
from diar.jobs.extract.sections import Sections
from diar.jobs.extract.statistics import print_summary, report_rank, write_statistics
from diar.jobs.extract.worker import ShardWorker
from diar.jobs.long_runs import apart, joined_over_machines
from diar.jobs.progress.counters import Counters
from diar.jobs.progress.events import EventLog
from diar.jobs.progress.reporter import ProgressReporter
from diar.jobs.ranks.joined import Joined
from diar.jobs.ranks.rank import be_rank, stopping_of, telling_errors
from diar.jobs.ranks.rendezvous import Agreement
from diar.jobs.ranks.stopping import Stopping
from diar.models import device as devices
from diar.models.inference import check_precision
from diar.models.memory import keep_freed_memory
from diar.options.logs import logged_as
from diar.reading import ReadSettings
from diar.remote.cache import FileCache
from diar.store.layout import Layout
from diar.store.writer import make_writer
from diar.wording import counted


def run_rank(
    config: ExtractConfig,
    make_embedder: MakeEmbedder = build_embedder,
) -> int:
    """Do this rank's part of the job; return the exit code, which is the same on all ranks.

    Args:
        config: the run's options.
        make_embedder: makes what turns chunks into embeddings; benchmarks pass a stand-in.
    """
    config = joined_over_machines(config, config.output_dir, config.overwrite)

    def run(agreement: Agreement, local_rank: int, local_world_size: int) -> int:
        tell = print_summary if local_rank == 0 else _tell_nothing
        return Rank(config, agreement, make_embedder, local_rank, local_world_size, tell).run()

    with logged_as(config.log_format, "diar extract"):
        return be_rank(run, ExtractConfig.model_fields, apart=apart(config))


def _tell_nothing(layout: Layout, statistics: dict[str, Any]) -> None:
    """Leave the summary to others."""


def run_alone(config: ExtractConfig, tell: Callable[[Layout, dict[str, Any]], None]) -> int:
    """Do the whole job in this process, as its only rank; return the exit code.

    Args:
        config: the run's options.
        tell: gets the statistics at the end.

    Raises:
        DiarError: what a user can mend.
    """
    agreement = Agreement(dist.HashStore(), 0, 1)
    return Rank(config, agreement, build_embedder, 0, 1, tell).run()


@dataclass(frozen=True)
class Networks:
    """What this rank computes with."""

    device: torch.device
    models: Models


@dataclass(frozen=True)
class Work:
    """The worker of this rank, with its profiler, its progress reporter and its log."""

    worker: ShardWorker
    profiler: Profiler
    events: EventLog
    reporter: ProgressReporter


@dataclass(frozen=True)
class Rank:
    """One rank of a run. `run` does its steps, each with the results of the steps before it.

    A rank that died and was started again may do any step a second time. The agreement returns what is
    settled already.
    """

    config: ExtractConfig
    agreement: Agreement
    make_embedder: MakeEmbedder
    local_rank: int  # on this machine
    local_world_size: int
    tell: Callable[[Layout, dict[str, Any]], None] = print_summary  # the statistics, at the end

    def run(self) -> int:
        """Do all steps; return the exit code."""
        agreement = self.agreement
        started = agreement.remember("started", time.time())
        with ExitStack() as locks, stopping_of(self.config, agreement) as stopping:
            networks = agreement.agree("models", self._open_networks)
            joined = agreement.agree("joined", lambda: self._join(locks))
            settling = Settling(self.config, agreement, locks, joined)
            job = settling.job(networks.models, networks.device)
            share = agreement.agree("claims", lambda: settling.share(job, lambda: self._is_over(stopping)))
            number = agreement.rank if joined is None else joined.number
            work = self._prepare_work(networks, job, share, stopping, number)
            with work.events, work.reporter, work.profiler:
                agreement.agree("work", lambda: self._do_shards(work.worker, job, share))
                stopped = any(agreement.gather("stopped", stopping.requested))
                if stopped:
                    work.events.asked()
                sharing, seconds = self._ranks_on(networks.device), time.time() - started
                report = report_rank(number, networks.device, sharing, seconds, share.counters)
                if joined is not None:
                    agreement.agree("told", partial(joined.report, report))
                reports = agreement.gather("report", report)
            died = {shard for shards in agreement.gather("died", share.before) for shard in shards}
            finish = partial(self._finish, job, reports, stopped, joined, died)
            code: int = agreement.broadcast("finish", finish)
            return code

    def _join(self, locks: ExitStack) -> Joined | None:
        """Take a place among those that share the work, if any may."""
        if not self.config.join:
            return None
        return locks.enter_context(Joined(self.layout.private, self.config.lease))

    @property
    def layout(self) -> Layout:
        """Return where the files of the output are."""
        return Layout(self.config.output_dir)

    def _open_networks(self) -> Networks:
        kind = devices.device_kind(self.config.device, self.config.gpus)
        device = devices.rank_device(kind, self.config.gpus, self.local_rank)
        if self.config.precision != "auto":
            check_precision(self.config.precision, device)
        keep_freed_memory()
        if device.type == "cuda":
            torch.cuda.set_device(device)
            torch.backends.cudnn.allow_tf32 = False  # torch's default, but fp32 is the reference
        torch.set_num_threads(compute_threads(self.config, device, self.local_world_size))
        return Networks(device, open_models(self.config))

    def _prepare_work(
        self, networks: Networks, job: Job, share: Share, stopping: Stopping, number: int
    ) -> Work:
        """Make the worker of this rank, which has `number` among all that work."""
        profiler = Profiler(job.config.profile, self.layout, number, networks.device, share.counters)
        events = EventLog(self.layout, number, job.run_id)
        worker = self.agreement.agree(
            "worker", lambda: self._make_worker(networks, job, share.counters, profiler, events, stopping)
        )
        working = self.agreement.remember("working", time.time())
        reporter = ProgressReporter(
            self.layout,
            job.run_id,
            number,
            self.agreement.world_size,
            job.totals,
            share.counters,
            working,
            shown=self.local_rank == 0,
        )
        return Work(worker, profiler, events, reporter)

    def _make_worker(
        self,
        networks: Networks,
        job: Job,
        counters: Counters,
        profiler: Profiler,
        events: EventLog,
        stopping: Stopping,
    ) -> ShardWorker:
        config, device, encoder = job.config, networks.device, networks.models.encoder
        chunks = chunk_settings(config, networks.models)
        embedder = self.make_embedder(config, networks.models, chunks, device, counters)
        writer = make_writer(config.layout, self.layout, encoder.encoder.embedding_dim, job.metadata)
        sharing, cancel = self._ranks_on(device), without_echo if config.aec else None
        return ShardWorker(
            ReadSettings(
                chunks,
                config.channel,
                config.min_duration,
                config.track,
                config.max_hours,
                FileCache.of_options(config.cache_dir, config.cache_gigabytes),
                cancel,
            ),
            embedder,
            writer,
            self._make_sections(job, chunks.rate),
            counters,
            profiler,
            events,
            Sizes.of(config, embedder, self.local_world_size, sharing),
            config.stall_timeout,
            stopping,
        )

    def _make_sections(self, job: Job, rate: int) -> Sections:
        store, rank, shared = self.agreement.store, self.agreement.rank, frozenset(job.shared)
        return Sections(self.layout, store, rank, shared, rate, job.metadata["fingerprint"])

    def _ranks_on(self, device: torch.device) -> int:
        """Count the ranks that share a device of this machine."""
        return devices.ranks_on_device(device, self.config.gpus, self.local_rank, self.local_world_size)

    def _do_shards(self, worker: ShardWorker, job: Job, share: Share) -> None:
        """Do claimed shards; after an error here the other ranks finish the shard that they are at."""
        telling = telling_errors(self.agreement.rank, ExtractConfig.model_fields)
        with telling, share.counters.timing("working_seconds"):
            together = (shard for shard in job.shared if not storage.exists(self.layout.shard(shard)))
            for claimed in share.claims.rounds(share.unfinished, share.counters.read_bytes):
                if self.agreement.any_failed():
                    return
                shards = self._until_failure(chain(together, claimed))
                worker.run((shard, shard_recordings(self.layout, shard)) for shard in shards)

    def _is_over(self, stopping: Stopping) -> bool:
        """Return whether nothing more is to be claimed: this rank was asked to stop, or any met an error."""
        return stopping.requested or self.agreement.any_failed()

    def _until_failure(self, shards: Iterable[int]) -> Iterator[int]:
        """Yield shards until any rank meets an error."""
        for shard in shards:
            if self.agreement.any_failed():
                return
            yield shard

    def _finish(
        self,
        job: Job,
        reports: list[dict[str, Any]],
        stopped: bool,
        joined: Joined | None,
        died: set[int],
    ) -> int:
        """Write the statistics on rank 0 and print a summary, unless stopped before; return the exit code."""
        if stopped and any(not storage.exists(self.layout.shard(shard)) for shard in job.open_shards):
            return EXIT_INTERRUPTED
        sweep_shards(self.layout, died)
        reports = reports if joined is None else joined.reports()
        statistics = write_statistics(self.layout, job.metadata, reports)
        self.tell(self.layout, statistics)
        recordings = statistics["recordings"]
        missing = recordings["planned"] - recordings["ok"] - recordings["failed"]
        if missing:
            raise prepare.ExtractError(
                f"{counted(missing, 'recording')} without result although all shards are done; remove "
                f"{self.layout.shards} and run again (what is published stays)"
            )
        return EXIT_FAILURES if recordings["failed"] else EXIT_OK
