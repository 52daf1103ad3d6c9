"""One rank from start to end: open the networks, agree on the plan, do shards until none is left, add up."""

from __future__ import annotations

import logging
import os
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any

import torch
import torch.distributed as dist

from diar import storage
from diar.embedding.chunks import ChunkSettings
from diar.errors import EXIT_ERROR, EXIT_FAILURES, EXIT_OK, explain, with_flags
from diar.jobs.extract import prepare
from diar.jobs.extract.config import ExtractConfig
from diar.jobs.extract.networks import MakeEmbedder, Models, build_embedder, open_models
from diar.jobs.extract.plan import claim_order, shard_recordings, shards_of_one
from diar.jobs.extract.profiling import Profiler
from diar.jobs.extract.resources import Sizes, compute_threads
from diar.jobs.extract.sections import Sections, shared_shards
from diar.jobs.extract.statistics import print_summary, report_rank, write_statistics
from diar.jobs.extract.worker import ShardWorker
from diar.jobs.progress.carried_over import earlier_counters
from diar.jobs.progress.counters import Counters, Totals
from diar.jobs.progress.reporter import ProgressReporter
from diar.jobs.ranks.claims import Claims
from diar.jobs.ranks.launcher import check_restarts, end_with_parent
from diar.jobs.ranks.lock import run_lock
from diar.jobs.ranks.rendezvous import MENDABLE, AgreedError, Agreement
from diar.models import device as devices
from diar.models.inference import check_precision
from diar.models.memory import keep_freed_memory
from diar.reading import ReadSettings
from diar.store.layout import Layout
from diar.store.reader import done_shards
from diar.store.without_pandas import keep_pandas_out
from diar.store.writer import make_writer
from diar.wording import counted


def run_rank(
    config: ExtractConfig,
    make_embedder: MakeEmbedder = build_embedder,
) -> int:
    """Do this rank's part of the job; return the exit code, which is the same on all ranks.

    An error that a user can mend is printed once. Its exit code is 2, after which no worker is started again.

    Args:
        config: the run's options.
        make_embedder: makes what turns chunks into embeddings; benchmarks pass a stand-in.
    """
    end_with_parent()
    check_restarts()
    logging.basicConfig(level=logging.ERROR, format="%(message)s")
    store, rank, world_size = next(iter(dist.rendezvous("env://")))
    # Torchrun's store outlives a restart of all ranks; the prefix hides what the dead ranks said and claimed
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    if rank == 0 and attempt != "0":
        print(f"a worker died; started again (restart {attempt}), going on where it was", file=sys.stderr)
    agreement = Agreement(dist.PrefixStore(f"attempt_{attempt}", store), rank, world_size)
    try:
        local = int(os.environ["LOCAL_RANK"]), int(os.environ["LOCAL_WORLD_SIZE"])
        code = Rank(config, agreement, make_embedder, *local).run()
    except AgreedError as error:
        if rank == 0:
            print(f"error: {with_flags(str(error), ExtractConfig.model_fields)}", file=sys.stderr)
        agreement.leave(str(error))
        return EXIT_ERROR
    agreement.leave()
    return code


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
class Job:
    """What all ranks agree on before they work."""

    config: ExtractConfig  # with the precision settled
    metadata: dict[str, str]  # of every Parquet file
    run_id: str
    order: list[tuple[int, int]]  # (shard, bytes) of unfinished shards, in the order of claiming
    shared: list[int]  # shards that all ranks do together, before the others
    totals: Totals


@dataclass(frozen=True)
class Share:
    """This rank's part of the job; a rank that died and was started again goes on with what it had."""

    claims: Claims
    unfinished: list[int]  # shards that it claimed and did not finish before it died
    counters: Counters  # with the figures from before it died


@dataclass(frozen=True)
class Work:
    """The worker of this rank, with its profiler and its progress reporter."""

    worker: ShardWorker
    profiler: Profiler
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
        with ExitStack() as locks:
            networks = agreement.agree("models", self._open_networks)
            job = self._settle_job(networks, locks)
            share = agreement.agree("claims", lambda: self._take_share(job, locks))
            work = self._prepare_work(networks, job, share)
            with work.reporter, work.profiler:
                agreement.agree("work", lambda: self._do_shards(work.worker, job, share))
                sharing, seconds = self._ranks_on(networks.device), time.time() - started
                report = report_rank(agreement.rank, networks.device, sharing, seconds, share.counters)
                reports = agreement.gather("report", report)
            code: int = agreement.broadcast("finish", lambda: self._finish(job, reports))
            return code

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

    def _settle_job(self, networks: Networks, locks: ExitStack) -> Job:
        """Let rank 0 settle the precision, then the plan."""
        models = networks.models
        precision = self.agreement.broadcast(
            "precision", lambda: prepare.settle_precision(self.config, self.layout, networks.device)
        )
        config = self.config.model_copy(update={"precision": precision})
        identity = prepare.Identity.of(config, models.encoder, models.segmentation, models.second)
        metadata = identity.metadata(models.encoder, models.segmentation)
        keep_pandas_out()
        plan = self.agreement.broadcast("plan", lambda: self._plan(config, identity, metadata, locks))
        shared = plan["shared"]
        order = [(shard, size) for shard, size in plan["order"] if shard not in set(shared)]
        return Job(config, metadata, plan["run_id"], order, shared, Totals(**plan["totals"]))

    def _plan(
        self, config: ExtractConfig, identity: prepare.Identity, metadata: dict[str, str], locks: ExitStack
    ) -> dict[str, Any]:
        """Settle the plan on rank 0; return what the ranks need of it, for JSON."""
        # A new output is listed before the lock makes its folder: a refused run leaves nothing behind
        listing = None if storage.exists(self.layout.config) else prepare.list_archive(config)
        locks.enter_context(run_lock(self.layout.lock, first=True))
        plan, warnings = prepare.settle_plan(config, self.layout, identity, metadata, listing)
        for warning in warnings:
            print(f"warning: {warning}", file=sys.stderr)
        done = set(done_shards(self.layout))
        order = [(shard, size) for shard, size in claim_order(plan) if shard not in done]
        return {
            "run_id": uuid.uuid4().hex,
            "order": order,
            "shared": shared_shards(order, shards_of_one(plan), self.agreement.world_size),
            "totals": asdict(prepare.job_totals(self.layout, plan)),
        }

    def _take_share(self, job: Job, locks: ExitStack) -> Share:
        """Join the run; find out how far this rank was, should it have died before."""
        claims = Claims(self.agreement.store, self.agreement.rank, self.agreement.world_size, job.order)
        locks.enter_context(run_lock(self.layout.lock, first=False))
        if not claims.before:
            return Share(claims, [], Counters())
        unfinished = [shard for shard in claims.before if not storage.exists(self.layout.shard(shard))]
        finished = set(claims.before) - set(unfinished)
        counters = earlier_counters(self.layout, self.agreement.rank, job.run_id, finished)
        return Share(claims, unfinished, counters)

    def _prepare_work(self, networks: Networks, job: Job, share: Share) -> Work:
        rank, world_size = self.agreement.rank, self.agreement.world_size
        profiler = Profiler(job.config.profile, self.layout, rank, networks.device, share.counters)
        worker = self.agreement.agree(
            "worker", lambda: self._make_worker(networks, job, share.counters, profiler)
        )
        working = self.agreement.remember("working", time.time())
        reporter = ProgressReporter(
            self.layout, job.run_id, rank, world_size, job.totals, share.counters, working
        )
        return Work(worker, profiler, reporter)

    def _make_worker(
        self, networks: Networks, job: Job, counters: Counters, profiler: Profiler
    ) -> ShardWorker:
        config, device, encoder = job.config, networks.device, networks.models.encoder
        chunks = ChunkSettings.from_seconds(
            encoder.fbank.sample_rate, config.chunk, config.window, config.hop
        )
        embedder = self.make_embedder(config, networks.models, chunks, device, counters)
        writer = make_writer(config.layout, self.layout, encoder.encoder.embedding_dim, job.metadata)
        sharing = self._ranks_on(device)
        return ShardWorker(
            ReadSettings(chunks, config.channel, config.min_duration, config.track),
            embedder,
            writer,
            self._make_sections(job, chunks.rate),
            counters,
            profiler,
            Sizes.of(config, embedder, self.local_world_size, sharing),
        )

    def _make_sections(self, job: Job, rate: int) -> Sections:
        store, rank, shared = self.agreement.store, self.agreement.rank, frozenset(job.shared)
        return Sections(self.layout, store, rank, shared, rate, job.metadata["fingerprint"])

    def _ranks_on(self, device: torch.device) -> int:
        """Count the ranks that share a device of this machine."""
        return devices.ranks_on_device(device, self.config.gpus, self.local_rank, self.local_world_size)

    def _do_shards(self, worker: ShardWorker, job: Job, share: Share) -> None:
        """Do claimed shards; after an error here the other ranks finish the shard that they are at."""
        try:
            with share.counters.timing("working_seconds"):
                shards = self._shards(job, share)
                worker.run((shard, shard_recordings(self.layout, shard)) for shard in shards)
        except MENDABLE as error:
            told = with_flags(explain(error), ExtractConfig.model_fields)
            message = f"error: rank {self.agreement.rank}: {told}; the others stop soon"
            print(message, file=sys.stderr, flush=True)
            raise

    def _shards(self, job: Job, share: Share) -> Iterator[int]:
        """Yield the shards that all do together, unless the others have finished one, then claimed ones."""
        together = (shard for shard in job.shared if not storage.exists(self.layout.shard(shard)))
        claimed = share.claims.shards(share.unfinished, share.counters.read_bytes)
        for shard in chain(together, claimed):
            if self.agreement.any_failed():
                return
            yield shard

    def _finish(self, job: Job, reports: list[dict[str, Any]]) -> int:
        """Write the statistics on rank 0 and print a summary; return the exit code."""
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
