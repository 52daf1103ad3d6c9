"""All parts of a running service, made once."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from typing import Any

from fastapi import Request
from starlette.responses import JSONResponse

from diar.models.gpus import GpuWatch
from diar.models.memory import RETURN_EVERY, return_free_memory
from diar.service.computing.compute import Compute, Opener
from diar.service.config import ServeConfig
from diar.service.jobs.desk import JobDesk
from diar.service.metrics import Metrics
from diar.service.problems import Problem
from diar.service.security.audit import Audit
from diar.service.security.callers import Caller
from diar.service.security.door import Door
from diar.service.security.names import new_identifier
from diar.service.security.rates import Rates
from diar.service.security.tickets import Tickets
from diar.service.security.tokens import Tokens, TokenSettings
from diar.service.sessions.registry import Sessions
from diar.service.sessions.saving import Saving
from diar.service.shared.store import Shared
from diar.service.speech.desk import speech_desk
from diar.service.waiting import within
from diar.service.words.desk import WordsDesk

_BEAT = 1.0  # seconds
_LOG = logging.getLogger("diar.service")


class Service:
    """The parts of a service. Used in the event loop only.

    Args:
        config: of the service.
        openers: make the engines of live streams, each in the thread that computes with it.

    Raises:
        DiarError: a file of the configuration that cannot be used.
    """

    def __init__(self, config: ServeConfig, openers: Sequence[Opener]) -> None:
        self.config, self.replica = config, new_identifier("r")
        self.metrics, self.audit = Metrics(), Audit(config.audit_log)
        self.shared = Shared(_remote(config), self._redis_changed)
        if self.shared.configured:
            self.metrics.registry.register(self.metrics.redis_up)
            self.metrics.redis_up.set(1)
        self.rates = Rates(
            self.shared,
            config.requests_per_minute,
            config.audio_per_minute,
            config.characters_per_minute,
        )
        self.tickets = Tickets(self.shared)
        self.door = Door(
            _tokens(config),
            self.tickets,
            certificates=config.client_ca is not None,
            insecure=config.insecure,
            origins=config.allowed_origins,
        )
        self.compute = Compute(openers, self.metrics)
        saving = Saving(self.shared, self.replica, self.metrics.save_time.observe)
        self._saving = saving
        self.words = WordsDesk(config, self.metrics)
        self.sessions = Sessions(config, self.compute, saving, self.metrics, self.audit, self.words)
        self.jobs = JobDesk(config, self.shared, self.metrics, self.audit, self.replica)
        self.speech = speech_desk(config, self.shared, self.metrics.registry)
        self._tasks: list[asyncio.Task[None]] = []
        self.warm = False  # the networks have computed once

    async def start(self) -> None:
        """Start the thread and all that runs beside requests."""
        self.compute.start()
        self.jobs.start()
        await self.shared.check()
        chores = [self._warm_up(), self.sessions.keep_house(), self.sessions.save_all(), self._say_alive()]
        chores += [self.words.run(), _return_memory()]
        self._tasks = [asyncio.create_task(chore) for chore in chores]
        for task in self._tasks:
            task.add_done_callback(_tell_if_broken)

    async def drain(self) -> None:
        """Send clients elsewhere; takes no longer than is configured."""
        try:
            await within(self.config.drain_seconds, self.sessions.drain())
        except TimeoutError:
            _LOG.warning("not all sessions could be saved within %g s", self.config.drain_seconds)

    async def stop(self) -> None:
        """End all that runs."""
        for task in self._tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await self.words.stop()
        await self.speech.stop()
        await asyncio.to_thread(self.compute.stop)
        await self.jobs.stop()
        await self.shared.close()
        self.audit.close()

    async def enter(self, request: Request, scope: str, *, ticket: bool = False) -> Caller:
        """Return the caller of a request who may do what has a scope, and count the request.

        Raises:
            Problem: unauthorized, forbidden, or too many.
        """
        caller = await self.door.caller(request, ticket=ticket)
        request.state.caller = caller
        caller.require(scope)
        await self.rates.request(caller)
        return caller

    def answer(self, request: Request, problem: Problem) -> JSONResponse:
        """Return the answer to a request that cannot be served, and write it down."""
        route = getattr(request.scope.get("route"), "path", "unknown")
        self.refused(problem, getattr(request.state, "caller", None), f"{request.method} {route}")
        return JSONResponse(problem.to_dict(), problem.kind.status, problem.headers())

    def refused(self, problem: Problem, caller: Caller | None, action: str) -> None:
        """Write down that somebody could not be served."""
        self.metrics.errors.labels(problem.code).inc()
        self.audit.write(action, caller, problem.code, message=problem.message)

    async def _warm_up(self) -> None:
        """Let the networks compute once, so that the first caller need not wait; note what they are."""
        try:
            await asyncio.wrap_future(self.compute.opened)
        except Exception:
            return  # the server ends by it, and tells why
        networks = await self.compute.warm_up()
        self.metrics.networks(networks)
        self.metrics.watch_gpus(_gpu_reader(networks["device"]), GpuWatch().states)
        self.warm = True

    async def _say_alive(self) -> None:
        while True:
            await self._saving.say_alive()
            await asyncio.sleep(_BEAT)

    def _redis_changed(self, there: bool) -> None:
        self.metrics.redis_up.set(there)
        _LOG.warning("Redis is back" if there else "Redis is away: sessions go on, unsaved")


def _remote(config: ServeConfig) -> Any:
    if config.redis is None:
        return None
    from diar.service.shared.redis_store import RedisStore

    return RedisStore(config.redis)


def _tokens(config: ServeConfig) -> Tokens | None:
    if config.jwt_secret_file is None and config.jwks_file is None:
        return None
    settings = TokenSettings(
        config.jwt_secret_file, config.jwks_file, config.issuer, config.audience, config.tenant_claim
    )
    return Tokens(settings)


def _gpu_reader(device: str) -> Callable[[], list[tuple[str, float, int]]]:
    """Return what tells of the GPUs that this process uses."""
    if not device.startswith("cuda"):
        return list
    from diar.models.device import gpu_use  # loads PyTorch, which a process without networks does without

    return gpu_use


def _tell_if_broken(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        _LOG.error("a chore of the service ended", exc_info=task.exception())


async def _return_memory() -> None:
    """Give free memory back, for ever: what sessions keep lies between what comes and goes."""
    while True:
        await asyncio.sleep(RETURN_EVERY)
        return_free_memory()
