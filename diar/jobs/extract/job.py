"""What the ranks of a run agree on before they work: precision, plan, and who does which shards."""

from __future__ import annotations

import sys
import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import pyarrow as pa
import torch

from diar import storage
from diar.embedding.networks import Models
from diar.jobs.extract import prepare
from diar.jobs.extract.config import ExtractConfig
from diar.jobs.extract.leftovers import sweep_shards
from diar.jobs.extract.plan import claim_order, shards_of_one
from diar.jobs.extract.sections import shared_shards
from diar.jobs.progress.carried_over import earlier_counters
from diar.jobs.progress.counters import Counters, Totals
from diar.jobs.ranks.claims import Claims
from diar.jobs.ranks.joined import Joined, refuse_beside_joined
from diar.jobs.ranks.joined_claims import JoinedClaims
from diar.jobs.ranks.lock import run_lock
from diar.jobs.ranks.rendezvous import Agreement
from diar.models.pipelines.open import Pipeline
from diar.models.weights.terms import untold_terms
from diar.store.layout import Layout
from diar.store.reader import done_shards, read_plan
from diar.store.without_pandas import keep_pandas_out


@dataclass(frozen=True)
class Job:
    """What all ranks agree on before they work."""

    config: ExtractConfig  # with the precision settled
    metadata: dict[str, str]  # of every Parquet file
    run_id: str
    order: list[tuple[int, int]]  # (shard, bytes) of unfinished shards, in the order of claiming
    shared: list[int]  # shards that all ranks do together, before the others
    totals: Totals

    @property
    def open_shards(self) -> list[int]:
        """Return all shards that were not finished when the run began."""
        return [*self.shared, *(shard for shard, _ in self.order)]


@dataclass(frozen=True)
class Share:
    """This rank's part of the job; a rank that died and was started again goes on with what it had."""

    claims: Claims | JoinedClaims
    unfinished: list[int]  # shards that it claimed and did not finish before it died
    counters: Counters  # with the figures from before it died
    before: tuple[int, ...] = ()  # all shards that it had claimed before it died


@dataclass(frozen=True)
class Settling:
    """The steps of one rank up to its share of the work.

    Attributes:
        config: the run's options.
        agreement: with the other ranks.
        locks: closed when the rank ends.
        joined: this process among those that share the work; None = nobody else may.
    """

    config: ExtractConfig
    agreement: Agreement
    locks: ExitStack
    joined: Joined | None

    @property
    def layout(self) -> Layout:
        """Return where the files of the output are."""
        return Layout(self.config.output_dir)

    def job(self, models: Models, device: torch.device) -> Job:
        """Let rank 0 settle the precision, then the plan.

        Raises:
            AgreedError: the output belongs to something else, or somebody else is at work.
        """
        precision = self.agreement.broadcast(
            "precision", lambda: prepare.settle_precision(self.config, self.layout, device)
        )
        config = self.config.model_copy(update={"precision": precision})
        identity = prepare.Identity.of(config, models)
        metadata = identity.metadata(models.encoder, models.segmentation)
        if self.agreement.rank == 0 and (terms := untold_terms(models.segmentation)) is not None:
            print(f"licence: {terms}", file=sys.stderr)
        keep_pandas_out()
        pipeline = models.pipeline
        plan = self.agreement.broadcast("plan", lambda: self._plan(config, identity, metadata, pipeline))
        shared = plan["shared"]
        order = [(shard, size) for shard, size in plan["order"] if shard not in set(shared)]
        return Job(config, metadata, plan["run_id"], order, shared, Totals(**plan["totals"]))

    def share(self, job: Job, is_over: Callable[[], bool]) -> Share:
        """Join the run; find out how far this rank was, should it have died before.

        Args:
            job: that is agreed on.
            is_over: returns whether nothing more is to be claimed.
        """
        self._lock(first=False)
        if self.joined is not None:
            self.joined.work_for(job.run_id)
            done = partial(done_shards, self.layout)
            return Share(JoinedClaims(self.joined, job.order, done, is_over), [], Counters())
        claims = Claims(self.agreement.store, self.agreement.rank, self.agreement.world_size, job.order)
        if not claims.before:
            return Share(claims, [], Counters())
        unfinished = [shard for shard in claims.before if not storage.exists(self.layout.shard(shard))]
        finished = set(claims.before) - set(unfinished)
        counters = earlier_counters(self.layout, self.agreement.rank, job.run_id, finished)
        return Share(claims, unfinished, counters, tuple(claims.before))

    def _plan(
        self,
        config: ExtractConfig,
        identity: prepare.Identity,
        metadata: dict[str, str],
        pipeline: Pipeline | None,
    ) -> dict[str, Any]:
        """Settle the plan on rank 0; return what the ranks need of it, for JSON."""
        if self.joined is None:
            run, plan = uuid.uuid4().hex, self._plan_alone(config, identity, metadata, pipeline)
        else:
            run, plan = self._plan_joined(self.joined, config, identity, metadata, pipeline)
        done = set(done_shards(self.layout))
        order = [(shard, size) for shard, size in claim_order(plan) if shard not in done]
        together = self.joined is None
        return {
            "run_id": run,
            "order": order,
            "shared": shared_shards(order, shards_of_one(plan), self.agreement.world_size)
            if together
            else [],
            "totals": asdict(prepare.job_totals(self.layout, plan)),
        }

    def _lock(self, first: bool) -> None:
        joined, lease = self.joined is not None, self.config.lease
        self.locks.enter_context(run_lock(self.layout.lock, first=first, joined=joined, lease=lease))

    def _plan_alone(
        self,
        config: ExtractConfig,
        identity: prepare.Identity,
        metadata: dict[str, str],
        pipeline: Pipeline | None,
    ) -> pa.Table:
        # A new output is listed before the lock makes its folder: a refused run leaves nothing behind
        listing = None if storage.exists(self.layout.config) else prepare.list_archive(config)
        self._lock(first=True)
        refuse_beside_joined(self.layout.private)
        plan, warnings = prepare.settle_plan(config, self.layout, identity, metadata, listing, pipeline)
        _warn(warnings)
        return plan

    def _plan_joined(
        self,
        joined: Joined,
        config: ExtractConfig,
        identity: prepare.Identity,
        metadata: dict[str, str],
        pipeline: Pipeline | None,
    ) -> tuple[str, pa.Table]:
        """Return id and plan of the run that others are at, or of a new one."""
        self._lock(first=False)
        run = joined.run_to_join()
        if run is not None:
            prepare.check_same_extraction(config, self.layout, identity)
            return run, read_plan(self.layout, columns=["shard", "size"])
        plan, warnings = prepare.settle_plan(config, self.layout, identity, metadata, pipeline=pipeline)
        # While the plan is not settled, nobody else writes
        sweep_shards(self.layout, {int(shard) for shard in joined.left if shard.isdecimal()})
        run = f"{time.time():.6f}-{uuid.uuid4().hex}"
        joined.settled(run)
        _warn(warnings)
        return run, plan


def _warn(warnings: list[str]) -> None:
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
