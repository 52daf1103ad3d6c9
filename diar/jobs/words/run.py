"""One rank of `diar words`: open the recogniser, agree on the shards, recognise them, add up."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import torch

from diar import storage
from diar.asr.addresses import is_endpoint, read_key
from diar.asr.endpoint import EndpointSettings
from diar.asr.open import open_recogniser
from diar.asr.recogniser import Identity, check_language
from diar.enhance.echo import without_echo
from diar.enhance.open import open_denoiser
from diar.errors import EXIT_FAILURES, EXIT_INTERRUPTED, EXIT_OK
from diar.jobs.extract.job import Share
from diar.jobs.extract.statistics import report_rank
from diar.jobs.long_runs import apart, joined_over_machines
from diar.jobs.progress.carried_over import earlier_counters
from diar.jobs.progress.counters import Counters, Totals
from diar.jobs.progress.reporter import ProgressReporter
from diar.jobs.ranks.claims import Claims
from diar.jobs.ranks.joined import Joined, refuse_beside_joined
from diar.jobs.ranks.joined_claims import JoinedClaims
from diar.jobs.ranks.lock import run_lock
from diar.jobs.ranks.rank import be_rank, stopping_of, telling_errors
from diar.jobs.ranks.rendezvous import Agreement
from diar.jobs.ranks.stopping import Stopping
from diar.jobs.words import prepare
from diar.jobs.words.batch import default_batch
from diar.jobs.words.config import WordsConfig
from diar.jobs.words.hearing import Hearing, ImportedWords, RecognisedWords
from diar.jobs.words.statistics import write_statistics
from diar.jobs.words.worker import WordsWorker
from diar.models import device as devices
from diar.options.logs import logged_as
from diar.remote.cache import FileCache
from diar.store.layout import Layout
from diar.store.reader import done_shards
from diar.store.words import WordsLayout


def run_rank(config: WordsConfig) -> int:
    """Do this rank's part of the job; return the exit code, which is the same on all ranks."""

    config = joined_over_machines(config, config.embeddings_dir, config.overwrite)

    def run(agreement: Agreement, local_rank: int, local_world_size: int) -> int:
        return WordsRank(config, agreement, local_rank, local_world_size).run()

    with logged_as(config.log_format, "diar words"):
        return be_rank(run, WordsConfig.model_fields, apart=apart(config))


@dataclass(frozen=True)
class WordsRank:
    """One rank of a run. `run` does its steps; a rank that was started again may do any of them twice."""

    config: WordsConfig
    agreement: Agreement
    local_rank: int  # on this machine
    local_world_size: int

    def run(self) -> int:
        """Do all steps; return the exit code."""
        agreement = self.agreement
        started = agreement.remember("started", time.time())
        with ExitStack() as locks, stopping_of(self.config, agreement) as stopping:
            device = agreement.agree("device", self._device)
            batch: int = agreement.broadcast("batch", lambda: self._batch(device))
            hearing = agreement.agree("hearing", lambda: self._open(device, batch))
            joined = agreement.agree("joined", lambda: self._join(locks))
            plan = agreement.broadcast("plan", lambda: self._plan(hearing.identity, batch, locks, joined))
            is_over = partial(self._is_over, stopping)
            share = agreement.agree("claims", lambda: self._take_share(plan, locks, joined, is_over))
            layout, totals = WordsLayout(self.config.embeddings_dir), Totals(**plan["totals"])
            places = self.config.embeddings_dir, self.config.audio_dir
            worker = WordsWorker(*places, hearing, plan["metadata"], share.counters, stopping)
            begun = agreement.remember("working", time.time())
            place = agreement.rank if joined is None else joined.number, agreement.world_size
            shown = self.local_rank == 0
            with ProgressReporter(layout, plan["run_id"], *place, totals, share.counters, begun, shown=shown):
                agreement.agree("work", lambda: self._work(worker, share, stopping))
            stopped = any(agreement.gather("stopped", stopping.requested))
            report = report_rank(place[0], device, 1, time.time() - started, share.counters)
            report["batches"] = worker.batches
            if joined is not None:
                agreement.agree("told", partial(joined.report, report))
            reports = agreement.gather("report", report)
            if stopped and any(not storage.exists(layout.shard(shard)) for shard, _ in plan["order"]):
                return EXIT_INTERRUPTED
            finish = partial(self._finish, layout, plan["metadata"], reports, joined)
            code: int = agreement.broadcast("finish", finish)
            return code

    def _join(self, locks: ExitStack) -> Joined | None:
        """Take a place among those that share the work, if any may."""
        if not self.config.join:
            return None
        return locks.enter_context(Joined(WordsLayout(self.config.embeddings_dir).private, self.config.lease))

    def _is_over(self, stopping: Stopping) -> bool:
        """Return whether nothing more is to be claimed: this rank was asked to stop, or any met an error."""
        return stopping.requested or self.agreement.any_failed()

    def _device(self) -> torch.device:
        if self.config.recognises_here:
            kind = devices.device_kind(self.config.device, self.config.gpus)
            return devices.rank_device(kind, self.config.gpus, self.local_rank)
        return torch.device("cpu")

    def _batch(self, device: torch.device) -> int:
        """Return the half minutes at once: as asked, as before, or what suits the device of rank 0."""
        layout = WordsLayout(self.config.embeddings_dir)
        if self.config.batch is not None:
            return self.config.batch
        if not self.config.overwrite and storage.exists(layout.config):
            return int(prepare.read_settings(layout)["batch"])
        memory = None
        if device.type == "cuda":
            sharing = devices.ranks_on_device(
                device, self.config.gpus, self.local_rank, self.local_world_size
            )
            memory = devices.gpu_memory(device.index) // sharing
        return default_batch(memory, is_endpoint(self.config.asr))

    def _open(self, device: torch.device, batch: int) -> Hearing:
        config = self.config
        if config.words is not None:
            return ImportedWords(config.words, config.language)
        endpoint = None
        if is_endpoint(config.asr):
            key = read_key(config.asr_key_file)
            endpoint = EndpointSettings(config.asr_model, key, config.asr_timeout, batch)
        recogniser = open_recogniser(
            config.asr,
            device=str(device),
            threads=config.threads or max(1, devices.cpu_cores() // self.local_world_size),
            precision=config.asr_precision,
            beam_size=config.beam_size,
            endpoint=endpoint,
        )
        check_language(config.language, recogniser.languages, recogniser.identity.model)
        cache = FileCache.of_options(config.cache_dir, config.cache_gigabytes)
        denoiser, cancel = open_denoiser(config.enhance), without_echo if config.aec else None
        return RecognisedWords(
            recogniser, batch, config.language, denoiser, cache, cancel, config.stall_timeout
        )

    def _plan(
        self, identity: Identity, batch: int, locks: ExitStack, joined: Joined | None
    ) -> dict[str, Any]:
        """Settle on rank 0 what is to be done; return it for JSON."""
        layout = WordsLayout(self.config.embeddings_dir)
        alone, lease = joined is None, self.config.lease
        locks.enter_context(run_lock(layout.lock, first=alone, joined=not alone, lease=lease))
        if joined is None:
            refuse_beside_joined(layout.private)
        there = None if joined is None else joined.run_to_join()
        if there is None:
            prepare.sweep(layout)  # nobody else writes before the plan is settled
        metadata = prepare.settle(self.config, identity, batch)
        order, totals = prepare.open_shards(self.config)
        run_id = there or f"{time.time():.6f}-{uuid.uuid4().hex}"
        if joined is not None and there is None:
            joined.settled(run_id)
        return {"metadata": metadata, "order": order, "totals": asdict(totals), "run_id": run_id}

    def _take_share(
        self, plan: dict[str, Any], locks: ExitStack, joined: Joined | None, is_over: Callable[[], bool]
    ) -> Share:
        """Join the run; find out how far this rank was, should it have died before."""
        layout, rank = WordsLayout(self.config.embeddings_dir), self.agreement.rank
        order = [(shard, size) for shard, size in plan["order"]]
        lease = self.config.lease
        locks.enter_context(run_lock(layout.lock, first=False, joined=joined is not None, lease=lease))
        if joined is not None:
            joined.work_for(plan["run_id"])
            claims_of_joined = JoinedClaims(joined, order, partial(done_shards, layout), is_over)
            return Share(claims_of_joined, [], Counters())
        claims = Claims(self.agreement.store, rank, self.agreement.world_size, order)
        if not claims.before:
            return Share(claims, [], Counters())
        unfinished = [shard for shard in claims.before if not storage.exists(layout.shard(shard))]
        finished = set(claims.before) - set(unfinished)
        planned = Layout(self.config.embeddings_dir)
        return Share(claims, unfinished, earlier_counters(layout, rank, plan["run_id"], finished, planned))

    def _work(self, worker: WordsWorker, share: Share, stopping: Stopping) -> None:
        """Do claimed shards; after an error here the other ranks finish the shard that they are at."""
        telling = telling_errors(self.agreement.rank, WordsConfig.model_fields)
        with telling, share.counters.timing("working_seconds"):
            for claimed in share.claims.rounds(share.unfinished, share.counters.read_bytes):
                for shard in claimed:
                    if self._is_over(stopping):
                        return
                    worker.run(shard)

    def _finish(
        self,
        layout: WordsLayout,
        metadata: dict[str, str],
        reports: list[dict[str, Any]],
        joined: Joined | None,
    ) -> int:
        """Write the statistics on rank 0, print a summary, write the files of the result."""
        from diar.jobs.words.result import write_result
        from diar.jobs.words.statistics import print_summary

        reports = reports if joined is None else joined.reports()
        statistics = write_statistics(layout, json.loads(metadata["settings"]), reports)
        if self.local_rank == 0:
            print_summary(layout, statistics)
        if self.config.result is not None and (joined is None or joined.claim("result")):
            write_result(self.config)
        return EXIT_FAILURES if statistics["recordings"]["failed"] else EXIT_OK
