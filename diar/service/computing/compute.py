"""What computes live sessions: lanes, each a thread with an engine and sessions of its own.

On a GPU there is one lane, so that hops of many sessions are one batch. On a CPU there is one a core, each
with its engine in a process of its own.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path

from diar.errors import explain
from diar.service.computing.lane import Lane, Observer
from diar.service.computing.lasting import LastingEngine
from diar.service.computing.process import RemoteEngine
from diar.service.computing.streams import EngineGone, LaneEngine
from diar.service.config import ServeConfig
from diar.spawning import usable_cores

_LOG = logging.getLogger("diar.service")
_GPU_FILES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")  # there is one where PyTorch may find a GPU
_MOST_LANES = 4  # unless more are asked for: each takes 0.8 GB
Opener = Callable[[Lane], LaneEngine]


class Compute:
    """Runs engines, one in each lane.

    Args:
        openers: make the engines, each in the thread of its lane; what one raises ends the start.
        observer: is told of each batch, in a thread.

    Attributes:
        lanes: once it is started.
        opened: done once the networks of all lanes are there.
    """

    def __init__(self, openers: Sequence[Opener], observer: Observer) -> None:
        self._openers, self._observer = openers, observer
        self.lanes: list[Lane] = []
        self._threads: list[threading.Thread] = []
        self._opening = len(openers)
        self._lock = threading.Lock()
        self._next = itertools.count()
        self.opened: Future[None] = Future()

    def start(self) -> None:
        """Start the threads; called in the event loop."""
        loop = asyncio.get_running_loop()
        for opener in self._openers:
            lane = Lane(self._observer, loop)
            self.lanes.append(lane)
            self._threads.append(
                threading.Thread(target=self._run, args=(lane, opener), name="lane", daemon=True)
            )
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End the threads after what they are at."""
        for lane in self.lanes:
            lane.stop()
        for thread in self._threads:
            thread.join()

    @property
    def ready(self) -> bool:
        """Whether the networks are there, and sessions can begin."""
        there = self.opened.done() and self.opened.exception() is None
        lost = any(lane.closed for lane in self.lanes)
        return there and not lost and any(lane.running for lane in self.lanes)

    def condition(self) -> str:
        """Return how the lanes are, in words."""
        lost = [lane.closed for lane in self.lanes if lane.closed is not None]
        if lost:
            return explain(lost[0])
        if not self.opened.done():
            return "loading"
        paused = [lane for lane in self.lanes if not lane.running]
        if not paused:
            return "ok"
        waiting = sum(map(len, paused))
        return f"{len(paused)} of {len(self.lanes)} processes are started again, {waiting} sessions wait"

    def lane(self) -> Lane:
        """Return the lane of a new session: the one with the fewest, each in its turn among equals."""
        first, count = next(self._next), len(self.lanes)
        each = [self.lanes[(first + number) % count] for number in range(count)]
        return min([lane for lane in each if lane.running] or each, key=len)

    async def warm_up(self) -> dict[str, str]:
        """Let all networks compute once; return what they are."""
        networks = await asyncio.gather(*(lane.call(_warm_up) for lane in self.lanes))
        return networks[0]

    def _run(self, lane: Lane, opener: Opener) -> None:
        """Compute until the lane stops, or its engine is gone for good."""
        try:
            engine = opener(lane)
        except BaseException as error:  # whoever waits for the networks gets it
            self._note_opened(error)
            lane.close(error)
            return
        self._note_opened(None)
        try:
            lane.run(engine)
        except EngineGone as error:
            if not lane.stopping:
                _LOG.error("%s", error)
            lane.close(error)
        finally:
            engine.shut_down()

    def _note_opened(self, error: BaseException | None) -> None:
        with self._lock:
            self._opening -= 1
            if self.opened.done():
                return
            if error is not None:
                self.opened.set_exception(error)
            elif self._opening == 0:
                self.opened.set_result(None)


def _warm_up(engine: LaneEngine) -> dict[str, str]:
    return engine.warm_up()


def engine_openers(config: ServeConfig) -> list[Opener]:
    """Return what opens the engines: one here, or several, each in a process of its own."""
    cores = max(1, len(usable_cores()))
    lanes = config.workers or (1 if _may_use_gpu(config.device) else min(cores, _MOST_LANES))
    if lanes == 1:
        return [lambda _: _engine_here(config)]
    return [lambda lane: LastingEngine(lambda: RemoteEngine(config), lane)] * lanes


def _engine_here(config: ServeConfig) -> LaneEngine:
    from diar.service.computing.engine import ServiceEngine  # loads PyTorch

    return ServiceEngine.of(config)


def _may_use_gpu(device: str) -> bool:
    if device == "auto" and sys.platform == "linux" and not any(Path(file).exists() for file in _GPU_FILES):
        return False  # known without PyTorch, which takes a second and 200 MB to load
    if device == "auto":
        from diar.models.device import device_kind

        return device_kind(device, None) != "cpu"
    return device != "cpu"
