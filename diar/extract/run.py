"""One rank from start to end: meet, check, claim shards until none is left, add up."""

from __future__ import annotations

import logging
import os
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, TypeVar, cast

import pyarrow as pa
import torch
import torch.distributed as dist

from diar.archive import storage
from diar.config import ExtractConfig
from diar.errors import DiarError
from diar.extract import devices, launch, sizes
from diar.extract.chunks import ChunkSettings
from diar.extract.lock import exclusive
from diar.extract.memory import keep_freed_memory
from diar.extract.plan import claim_order, shard_recordings
from diar.extract.prepare import ExtractError, Identity, job_totals, settle_plan, settle_precision
from diar.extract.progress import Counters, ProgressReporter, Totals
from diar.extract.speech import SpeechDetector
from diar.extract.statistics import print_summary, write_statistics
from diar.extract.tracks import TrackEmbedder
from diar.extract.worker import ShardWorker
from diar.models import hub
from diar.models.inference import Precision, check_precision
from diar.models.segmentation import SegmentationModel, open_segmentation
from diar.models.wespeaker import SpeakerModel, open_model_dir
from diar.store.layout import Layout
from diar.store.writer import Writer, make_writer

T = TypeVar("T")
_MENDABLE = (DiarError, OSError, pa.ArrowException)  # errors that a user can do something about

DEFAULT_MODEL = "campplus-zh-en"
# A rank may wait for another one's last shard, which can be a day of audio
_TIMEOUT = timedelta(days=7)


def run_rank(config: ExtractConfig) -> int:
    """Do this rank's part of the job; the exit code is the same on all ranks.

    Errors that a user can mend are printed once and returned as exit code 2, so that torchrun does not start
    the workers again for them.
    """
    launch.end_with_parent()
    launch.check_restarts()
    logging.basicConfig(level=logging.ERROR, format="%(message)s")
    store, rank, world_size = next(iter(dist.rendezvous("env://", timeout=_TIMEOUT)))
    store.set_timeout(_TIMEOUT)
    # The launcher's store outlives a restart; a prefix hides the dead workers' addresses and claims
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    store = dist.PrefixStore(f"attempt_{attempt}", store)
    if rank == 0 and attempt != "0":
        print(f"a worker died; started again (restart {attempt}), going on where it was", file=sys.stderr)
    dist.init_process_group(
        "gloo", store=dist.PrefixStore("group", store), rank=rank, world_size=world_size, timeout=_TIMEOUT
    )
    try:
        return Rank(config, store, rank, world_size).run()
    except AgreedError as error:
        if rank == 0:
            print(f"error: {error}", file=sys.stderr)
        return launch.EXIT_ERROR
    finally:
        dist.destroy_process_group()


class AgreedError(DiarError):
    """An error of one rank that all ranks know of, so that all stop."""


class Rank:
    """State of one rank while it runs."""

    def __init__(self, config: ExtractConfig, store: dist.Store, rank: int, world_size: int) -> None:
        self.config = config
        self.store = store
        self.rank = rank
        self.world_size = world_size
        self.local_rank = int(os.environ["LOCAL_RANK"])
        self.local_world_size = int(os.environ["LOCAL_WORLD_SIZE"])
        self.layout = Layout(config.output_dir)
        self.counters = Counters()

    def run(self) -> int:
        """Start-up checks, the loop over shards, final statistics."""
        start = time.time()
        with ExitStack() as stack:
            device, models = self._agree(self._open_models)
            model = models.encoder
            precision = self._broadcast(lambda: settle_precision(self.config, self.layout, device))
            self.config = self.config.model_copy(update={"precision": precision})
            identity = Identity.of(self.config, model, models.segmentation)
            metadata = identity.metadata(model, models.segmentation)
            run_id, order, totals = self._broadcast(lambda: self._plan(stack, identity, metadata))
            settings = ChunkSettings.from_seconds(
                model.fbank.sample_rate, self.config.chunk, self.config.window, self.config.hop
            )
            writer = make_writer(self.config.layout, self.layout, model.encoder.embedding_dim, metadata)
            worker = self._agree(lambda: self._worker(models, settings, device, writer))
            reporter = ProgressReporter(
                self.layout, run_id, self.rank, self.world_size, totals, self.counters
            )
            with reporter:
                self._agree(lambda: self._work(worker, order))
                ranks = self._gather(self._report(device, time.time() - start))
            return self._broadcast(lambda: self._finish(ranks, metadata))

    def _open_models(self) -> tuple[torch.device, Models]:
        kind = devices.device_kind(self.config.device, self.config.gpus)
        device = devices.rank_device(kind, self.config.gpus, self.local_rank)
        if device.type == "cuda":
            torch.cuda.set_device(device)
            torch.backends.cudnn.allow_tf32 = False  # torch's default, but fp32 is the reference
        else:
            keep_freed_memory()
            torch.set_num_threads(sizes.compute_threads(self.config, self.local_world_size))
        return device, open_models(self.config)

    def _worker(
        self, models: Models, settings: ChunkSettings, device: torch.device, writer: Writer
    ) -> ShardWorker:
        config, detector = self.config, None
        if models.segmentation is not None:
            detector = SpeechDetector(models.segmentation, device, config.step, config.silence_margin)
        precision = cast(Precision, config.precision)
        check_precision(precision, device)
        embedder = TrackEmbedder(
            models.encoder,
            detector,
            settings,
            device,
            precision=precision,
            compiled=config.compile,
            counters=self.counters,
        )
        return ShardWorker(
            config,
            settings,
            embedder,
            writer,
            self.counters,
            batch_seconds=sizes.batch_seconds(config, embedder, ranks_on_device=1),
            decode_threads=sizes.decode_threads(config, device, self.local_world_size),
        )

    def _plan(
        self, stack: ExitStack, identity: Identity, metadata: dict[str, str]
    ) -> tuple[str, list[int], Totals]:
        """On rank 0: settle the plan; returns what the other ranks need of it."""
        stack.enter_context(exclusive(self.layout))
        plan, warnings = settle_plan(self.config, self.layout, identity, metadata)
        for warning in warnings:
            print(f"warning: {warning}", file=sys.stderr)
        return uuid.uuid4().hex, claim_order(plan).tolist(), job_totals(self.layout, plan)

    def _work(self, worker: ShardWorker, order: list[int]) -> None:
        """Do claimed shards; an error here lets the other ranks stop after the shard that they are at."""
        try:
            worker.run((shard, shard_recordings(self.layout, shard)) for shard in self._claims(order))
        except _MENDABLE as error:
            print(f"error: rank {self.rank}: {error}; the others stop soon", file=sys.stderr, flush=True)
            self.store.set("failed", str(self.rank))
            raise

    def _claims(self, order: list[int]) -> Iterator[int]:
        """Shards for this rank, from a counter that all ranks share; finished ones are passed over."""
        counter = dist.PrefixStore("claims", self.store)
        while (claim := counter.add("next", 1) - 1) < len(order) and not self.store.check(["failed"]):
            if not storage.exists(self.layout.shard(order[claim])):
                yield order[claim]

    def _report(self, device: torch.device, seconds: float) -> dict[str, Any]:
        report = {
            "rank": self.rank,
            "device": devices.describe(device),
            "seconds": seconds,
            "busy_share": self.counters.compute_seconds / max(seconds, 1e-9),
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
        return launch.EXIT_FAILURES if statistics["recordings"]["failed"] else launch.EXIT_OK

    def _agree(self, action: Callable[[], T]) -> T:
        """Run `action` on every rank; if it failed on any, all raise AgreedError."""
        outcome, error = _attempt(action)
        errors = self._gather(error)
        failed = [message for message in errors if message is not None]
        if failed:
            raise AgreedError(failed[0])
        return outcome

    def _broadcast(self, action: Callable[[], T]) -> T:
        """Run `action` on rank 0 and give its result to all; if it failed, all raise AgreedError."""
        message = [_attempt(action) if self.rank == 0 else None]
        dist.broadcast_object_list(message)
        outcome, error = message[0]  # type: ignore[misc]
        if error is not None:
            raise AgreedError(error)
        return outcome

    def _gather(self, value: Any) -> list[Any]:
        values: list[Any] = [None] * self.world_size
        dist.all_gather_object(values, value)
        return values


def _attempt(action: Callable[[], Any]) -> tuple[Any, str | None]:
    try:
        return action(), None
    except _MENDABLE as error:
        return None, str(error)


@dataclass(frozen=True)
class Models:
    """The networks of a run."""

    encoder: SpeakerModel
    segmentation: SegmentationModel | None


def open_models(config: ExtractConfig) -> Models:
    """The networks that `--model` or `--model_dir`, and `--segmentation` name.

    Raises:
        DiarError: one cannot be found, fetched or opened, or they do not fit each other.
    """
    if config.model_dir is not None:
        encoder = open_model_dir(storage.require_local(config.model_dir))
    else:
        name = config.model or DEFAULT_MODEL
        encoder = open_model_dir(hub.resolve(name), name)
    if config.segmentation == "none":
        return Models(encoder, None)
    segmentation = open_segmentation(hub.resolve(config.segmentation), config.segmentation)
    if segmentation.sample_rate != encoder.fbank.sample_rate:
        raise DiarError(
            f"--segmentation {config.segmentation} works at {segmentation.sample_rate} Hz, "
            f"but {encoder.name} at {encoder.fbank.sample_rate} Hz; use --segmentation none"
        )
    return Models(encoder, segmentation)
