"""One rank from start to end: check, claim shards until none is left, add up."""

from __future__ import annotations

import logging
import os
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any, cast

import pyarrow as pa
import torch
import torch.distributed as dist

from diar import storage
from diar.embed.chunks import ChunkSettings
from diar.embed.embedder import TrackEmbedder
from diar.embed.second_opinion import SecondOpinion
from diar.embed.speech import SpeechDetector
from diar.errors import EXIT_ERROR, EXIT_FAILURES, EXIT_OK, with_flags
from diar.jobs.extract.config import ExtractConfig
from diar.jobs.extract.memory import keep_freed_memory
from diar.jobs.extract.networks import Models, open_models
from diar.jobs.extract.plan import claim_order, shard_recordings
from diar.jobs.extract.prepare import ExtractError, Identity, job_totals, settle_plan, settle_precision
from diar.jobs.extract.profiling import Profiler
from diar.jobs.extract.resources import Sizes, compute_threads
from diar.jobs.extract.statistics import print_summary, write_statistics
from diar.jobs.extract.worker import ShardWorker
from diar.jobs.progress.counters import Counters, ProgressReporter, Totals
from diar.jobs.progress.restart import earlier_counters
from diar.jobs.ranks import launcher as launch
from diar.jobs.ranks.claims import Claims
from diar.jobs.ranks.lock import run_lock
from diar.jobs.ranks.rendezvous import MENDABLE, AgreedError, Agreement
from diar.models import device as devices
from diar.models.inference import Precision, check_precision
from diar.store.layout import Layout
from diar.store.reader import done_shards
from diar.store.writer import make_writer

MakeEmbedder = Callable[[ExtractConfig, Models, ChunkSettings, torch.device, Counters], TrackEmbedder]


def build_embedder(
    config: ExtractConfig,
    models: Models,
    settings: ChunkSettings,
    device: torch.device,
    counters: Counters,
) -> TrackEmbedder:
    """The run's networks on this rank's device.

    Raises:
        DiarError: the device cannot compute with `--precision`.
    """
    detector = None
    if models.segmentation is not None:
        second = None
        if models.second is not None:
            second = SecondOpinion(models.second, device, everywhere=config.speech == "both")
        detector = SpeechDetector(models.segmentation, device, config.step, config.silence_margin, second)
    precision = cast(Precision, config.precision)
    check_precision(precision, device)
    return TrackEmbedder(
        models.encoder,
        detector,
        settings,
        device,
        precision=precision,
        meter=counters,
    )


def run_rank(
    config: ExtractConfig,
    make_embedder: MakeEmbedder = build_embedder,
) -> int:
    """Do this rank's part of the job; the exit code is the same on all ranks.

    Errors that a user can mend are printed once and returned as exit code 2, for which no worker is started
    again.

    Args:
        config: the run's options.
        make_embedder: gives what turns chunks into embeddings; benchmarks put a stand-in here.
    """
    launch.end_with_parent()
    launch.check_restarts()
    logging.basicConfig(level=logging.ERROR, format="%(message)s")
    store, rank, world_size = next(iter(dist.rendezvous("env://")))
    # Torchrun's store outlives a restart of all ranks; a prefix hides what the dead ones said and claimed
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    if rank == 0 and attempt != "0":
        print(f"a worker died; started again (restart {attempt}), going on where it was", file=sys.stderr)
    agreement = Agreement(dist.PrefixStore(f"attempt_{attempt}", store), rank, world_size)
    try:
        code = Rank(config, agreement, make_embedder).run()
    except AgreedError as error:
        if rank == 0:
            print(f"error: {_with_flags(error)}", file=sys.stderr)
        agreement.leave(str(error))
        return EXIT_ERROR
    agreement.leave()
    return code


class Rank:
    """State of one rank while it runs."""

    def __init__(
        self,
        config: ExtractConfig,
        agreement: Agreement,
        make_embedder: MakeEmbedder,
    ) -> None:
        self.config = config
        self.agreement = agreement
        self.make_embedder = make_embedder
        self.rank = agreement.rank
        self.local_rank = int(os.environ["LOCAL_RANK"])
        self.local_world_size = int(os.environ["LOCAL_WORLD_SIZE"])
        self.layout = Layout(config.output_dir)
        self.counters = Counters()

    def run(self) -> int:
        """Start-up checks, the loop over shards, final statistics.

        Any of it may be done a second time, by a rank that was started again.
        """
        agreement = self.agreement
        started = agreement.remember("started", time.time())
        with ExitStack() as stack:
            device, models = agreement.agree("models", self._open_models)
            precision = agreement.broadcast(
                "precision", lambda: settle_precision(self.config, self.layout, device)
            )
            self.config = self.config.model_copy(update={"precision": precision})
            identity = Identity.of(self.config, models.encoder, models.segmentation, models.second)
            metadata = identity.metadata(models.encoder, models.segmentation)
            pa.scalar(0)  # Arrow's first conversion imports pandas if it is there: now, while rank 0 plans
            plan = agreement.broadcast("plan", lambda: self._plan(stack, identity, metadata))
            claims = Claims(agreement.store, self.rank, agreement.world_size, plan["order"])
            unfinished = agreement.agree("claims", lambda: self._take_up(stack, claims, plan["run_id"]))
            profiler = Profiler(self.config.profile, self.layout, self.rank, device, self.counters)
            worker = agreement.agree("worker", lambda: self._worker(models, device, metadata, profiler))
            reporter = ProgressReporter(
                self.layout,
                plan["run_id"],
                self.rank,
                agreement.world_size,
                Totals(**plan["totals"]),
                self.counters,
                agreement.remember("working", time.time()),
            )
            with reporter, profiler:
                agreement.agree("work", lambda: self._work(worker, unfinished, claims))
                ranks = agreement.gather("report", self._report(device, time.time() - started))
            code: int = agreement.broadcast("finish", lambda: self._finish(ranks, metadata))
            return code

    def _open_models(self) -> tuple[torch.device, Models]:
        kind = devices.device_kind(self.config.device, self.config.gpus)
        device = devices.rank_device(kind, self.config.gpus, self.local_rank)
        if device.type == "cuda":
            torch.cuda.set_device(device)
            torch.backends.cudnn.allow_tf32 = False  # torch's default, but fp32 is the reference
        else:
            keep_freed_memory()
            torch.set_num_threads(compute_threads(self.config, self.local_world_size))
        return device, open_models(self.config)

    def _plan(self, stack: ExitStack, identity: Identity, metadata: dict[str, str]) -> dict[str, Any]:
        """On rank 0: settle the plan; returns what the ranks need of it."""
        stack.enter_context(run_lock(self.layout.lock, first=True))
        plan, warnings = settle_plan(self.config, self.layout, identity, metadata)
        for warning in warnings:
            print(f"warning: {warning}", file=sys.stderr)
        done = set(done_shards(self.layout))
        return {
            "run_id": uuid.uuid4().hex,
            "order": [(shard, size) for shard, size in claim_order(plan) if shard not in done],
            "totals": asdict(job_totals(self.layout, plan)),
        }

    def _worker(
        self, models: Models, device: torch.device, metadata: dict[str, str], profiler: Profiler
    ) -> ShardWorker:
        config = self.config
        rate, dimension = models.encoder.fbank.sample_rate, models.encoder.encoder.embedding_dim
        settings = ChunkSettings.from_seconds(rate, config.chunk, config.window, config.hop)
        embedder = self.make_embedder(config, models, settings, device, self.counters)
        sharing = devices.ranks_on_device(device, config.gpus, self.local_rank, self.local_world_size)
        return ShardWorker(
            config,
            settings,
            embedder,
            make_writer(config.layout, self.layout, dimension, metadata),
            self.counters,
            profiler,
            Sizes.of(config, embedder, self.local_world_size, sharing),
        )

    def _take_up(self, stack: ExitStack, claims: Claims, run_id: str) -> list[int]:
        """Join the run; returns what this rank had claimed and not finished, should it have died before."""
        stack.enter_context(run_lock(self.layout.lock, first=False))
        unfinished = [shard for shard in claims.before if not storage.exists(self.layout.shard(shard))]
        if claims.before:
            finished = set(claims.before) - set(unfinished)
            self.counters = earlier_counters(self.layout, self.rank, run_id, finished)
        return unfinished

    def _work(self, worker: ShardWorker, unfinished: list[int], claims: Claims) -> None:
        """Do claimed shards; an error here lets the other ranks stop after the shard that they are at."""
        try:
            shards = self._shards(unfinished, claims)
            with self.counters.timing("working_seconds"):
                worker.run((shard, shard_recordings(self.layout, shard)) for shard in shards)
        except MENDABLE as error:
            message = f"error: rank {self.rank}: {_with_flags(error)}; the others stop soon"
            print(message, file=sys.stderr, flush=True)
            raise

    def _shards(self, unfinished: list[int], claims: Claims) -> Iterator[int]:
        for shard in claims.shards(unfinished, lambda: self.counters.bytes + self.counters.skipped_bytes):
            if self.agreement.any_failed():
                return
            yield shard

    def _report(self, device: torch.device, seconds: float) -> dict[str, Any]:
        report = {
            "rank": self.rank,
            "device": devices.describe(device),
            "seconds": seconds,
            "busy_share": self.counters.device_seconds() / max(self.counters.working_seconds, 1e-9),
            **asdict(self.counters),
        }
        if device.type == "cuda":
            report["peak_gpu_bytes"] = torch.cuda.max_memory_allocated(device)
        return report

    def _finish(self, ranks: list[dict[str, Any]], metadata: dict[str, str]) -> int:
        """On rank 0: write the statistics, tell the user, return the exit code."""
        statistics = write_statistics(self.layout, metadata, ranks)
        print_summary(self.layout, statistics)
        done = statistics["recordings"]["ok"] + statistics["recordings"]["failed"]
        if done != statistics["recordings"]["planned"]:
            raise ExtractError(
                f"{statistics['recordings']['planned'] - done} recordings have no result although all shards "
                f"are done; remove {self.layout.shards} and run again (what is published stays)"
            )
        return EXIT_FAILURES if statistics["recordings"]["failed"] else EXIT_OK


def _with_flags(error: BaseException) -> str:
    """A message as the command line shows it."""
    return with_flags(str(error), ExtractConfig.model_fields)
