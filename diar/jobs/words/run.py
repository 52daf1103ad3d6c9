"""One rank of `diar words`: open the recogniser, agree on the shards, recognise them, add up."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.distributed as dist

from diar import storage
from diar.asr.open import open_recogniser
from diar.asr.recogniser import Identity
from diar.errors import EXIT_ERROR, EXIT_FAILURES, EXIT_OK, explain, with_flags
from diar.jobs.extract.statistics import report_rank
from diar.jobs.progress.counters import Counters, Totals
from diar.jobs.progress.reporter import ProgressReporter
from diar.jobs.ranks.claims import Claims
from diar.jobs.ranks.launcher import check_restarts, end_with_parent
from diar.jobs.ranks.lock import run_lock
from diar.jobs.ranks.rendezvous import MENDABLE, AgreedError, Agreement
from diar.jobs.words import prepare
from diar.jobs.words.config import WordsConfig
from diar.jobs.words.hearing import Hearing, ImportedWords, RecognisedWords
from diar.jobs.words.statistics import write_statistics
from diar.jobs.words.worker import WordsWorker
from diar.models import device as devices
from diar.store.words import WordsLayout

_BATCH = {"cpu": 4, "cuda": 16}  # half minutes at once


def run_rank(config: WordsConfig) -> int:
    """Do this rank's part of the job; return the exit code, which is the same on all ranks."""
    end_with_parent()
    check_restarts()
    logging.basicConfig(level=logging.ERROR, format="%(message)s")
    store, rank, world_size = next(iter(dist.rendezvous("env://")))
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    agreement = Agreement(dist.PrefixStore(f"attempt_{attempt}", store), rank, world_size)
    local = int(os.environ["LOCAL_RANK"]), int(os.environ["LOCAL_WORLD_SIZE"])
    try:
        code = WordsRank(config, agreement, *local).run()
    except AgreedError as error:
        if rank == 0:
            print(f"error: {with_flags(str(error), WordsConfig.model_fields)}", file=sys.stderr)
        agreement.leave(str(error))
        return EXIT_ERROR
    agreement.leave()
    return code


@dataclass(frozen=True)
class WordsRank:
    """One rank of a run. `run` does its steps; a rank that was started again may do any of them twice."""

    config: WordsConfig
    agreement: Agreement
    local_rank: int  # on this machine
    local_world_size: int

    def run(self) -> int:
        """Do all steps; return the exit code."""
        agreement, counters = self.agreement, Counters()
        started = agreement.remember("started", time.time())
        with ExitStack() as locks:
            device = self._device()
            batch = self.config.batch or _BATCH[device.type]
            hearing = agreement.agree("hearing", lambda: self._open(device, batch))
            plan = agreement.broadcast("plan", lambda: self._plan(hearing.identity, batch, locks))
            claims = agreement.agree("claims", lambda: self._claim(plan, locks))
            layout, totals = WordsLayout(self.config.embeddings_dir), Totals(**plan["totals"])
            places = self.config.embeddings_dir, self.config.audio_dir
            worker = WordsWorker(*places, hearing, plan["metadata"], counters)
            begun = agreement.remember("working", time.time())
            place = agreement.rank, agreement.world_size
            with ProgressReporter(layout, plan["run_id"], *place, totals, counters, begun):
                agreement.agree("work", lambda: self._work(worker, claims, counters))
            report = report_rank(agreement.rank, device, 1, time.time() - started, counters)
            reports = agreement.gather("report", report)
            code: int = agreement.broadcast("finish", lambda: self._finish(layout, plan["metadata"], reports))
            return code

    def _device(self) -> torch.device:
        kind = devices.device_kind(self.config.device, self.config.gpus)
        return devices.rank_device(kind, self.config.gpus, self.local_rank)

    def _open(self, device: torch.device, batch: int) -> Hearing:
        if self.config.words is not None:
            return ImportedWords(self.config.words)
        threads = self.config.threads or max(1, devices.cpu_cores() // self.local_world_size)
        recogniser = open_recogniser(
            self.config.asr,
            device=str(device),
            threads=threads,
            precision=self.config.asr_precision,
            beam_size=self.config.beam_size,
        )
        return RecognisedWords(recogniser, batch, self.config.language)

    def _plan(self, identity: Identity, batch: int, locks: ExitStack) -> dict[str, Any]:
        """Settle on rank 0 what is to be done; return it for JSON."""
        layout = WordsLayout(self.config.embeddings_dir)
        locks.enter_context(run_lock(layout.lock, first=True))
        metadata = prepare.settle(self.config, identity, batch)
        order, totals = prepare.open_shards(self.config)
        run_id = f"{time.time():.6f}"
        return {"metadata": metadata, "order": order, "totals": asdict(totals), "run_id": run_id}

    def _claim(self, plan: dict[str, Any], locks: ExitStack) -> Claims:
        store, rank, world_size = self.agreement.store, self.agreement.rank, self.agreement.world_size
        order = [(shard, size) for shard, size in plan["order"]]
        claims = Claims(store, rank, world_size, order)
        locks.enter_context(run_lock(WordsLayout(self.config.embeddings_dir).lock, first=False))
        return claims

    def _work(self, worker: WordsWorker, claims: Claims, counters: Counters) -> None:
        """Do claimed shards; after an error here the other ranks finish the shard that they are at."""
        try:
            with counters.timing("working_seconds"):
                for shard in self._shards(claims, lambda: counters.bytes):
                    worker.run(shard)
        except MENDABLE as error:
            told = with_flags(explain(error), WordsConfig.model_fields)
            message = f"error: rank {self.agreement.rank}: {told}; the others stop soon"
            print(message, file=sys.stderr, flush=True)
            raise

    def _shards(self, claims: Claims, read: Callable[[], int]) -> Iterator[int]:
        layout = WordsLayout(self.config.embeddings_dir)
        unfinished = [shard for shard in claims.before if not storage.exists(layout.shard(shard))]
        for shard in claims.shards(unfinished, read):
            if self.agreement.any_failed():
                return
            yield shard

    def _finish(self, layout: WordsLayout, metadata: dict[str, str], reports: list[dict[str, Any]]) -> int:
        """Write the statistics on rank 0, print a summary, write the files of the result."""
        from diar.jobs.words.result import write_result
        from diar.jobs.words.statistics import print_summary

        statistics = write_statistics(layout, json.loads(metadata["settings"]), reports)
        print_summary(layout, statistics)
        if self.config.result is not None:
            write_result(self.config)
        return EXIT_FAILURES if statistics["recordings"]["failed"] else EXIT_OK
