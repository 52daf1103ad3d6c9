"""A run that is told of while it goes on: by a thread of its own, which the work never waits for.

What is to be told waits in a queue that is bounded. While the server is away, the thread tries again, in ever
longer intervals; what the queue cannot hold is lost. At the end the thread has a few seconds more.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from diar.connectors.mlflow.parameters import option_parameters, text_parameters, version_parameters
from diar.connectors.mlflow.runs import FAILED, FINISHED, KILLED, RemoteRun
from diar.connectors.mlflow.server import Server, TrackingError
from diar.connectors.mlflow.tracking import LAST_SECONDS, Child, Metrics, Tracking
from diar.errors import EXIT_FAILURES, EXIT_INTERRUPTED, EXIT_OK
from diar.options.tracking import TrackedConfig

Telling = Callable[[RemoteRun], None]

_MOST_WAITING = 256  # in the queue
_FIRST_INTERVAL, _GROWTH = 2.0, 0.01  # seconds from figures to figures: a hundredth of the time so far
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0  # seconds until a server that is away is tried again
_STATUS = {EXIT_OK: FINISHED, EXIT_FAILURES: FINISHED, EXIT_INTERRUPTED: KILLED}


class Tracker(Tracking):
    """Tells a tracking server.

    Args:
        config: the command's options.
        command: its name.
        tell: gets the first failure, and the run's address at the end; called in the thread.
    """

    def __init__(self, config: TrackedConfig, command: str, tell: Callable[[str], None]) -> None:
        assert config.mlflow is not None
        self._server, self._config, self._command, self._tell = Server(config.mlflow), config, command, tell
        self._queue: queue.Queue[Telling | None] = queue.Queue(_MOST_WAITING)
        self._read: Callable[[], Metrics] | None = None
        self._remote: RemoteRun | None = None
        self._started = time.time()
        self._due = self._started + _FIRST_INTERVAL
        self._last_seconds = LAST_SECONDS
        self._closing = threading.Event()
        self._told = self._lost = False
        self._thread = threading.Thread(target=self._work, name="mlflow", daemon=True)
        self._thread.start()
        self._put(self._begin)

    def watch(self, read: Callable[[], Metrics]) -> None:
        """See `Tracking`."""
        self._read = read

    def figures(self, metrics: Metrics) -> None:
        """See `Tracking`."""
        at, step = time.time(), self._step()
        self._put(lambda run: run.metrics(metrics, step, at))

    def parameters(self, values: Mapping[str, Any]) -> None:
        """See `Tracking`."""
        texts = text_parameters(values)
        self._put(lambda run: run.parameters(texts))

    def artifacts(self, files: Iterable[tuple[str, bytes | Path]]) -> None:
        """See `Tracking`."""
        if self._config.sends_results:
            for name, content in files:
                self._put(partial(_store, name, content))

    def children(self, runs: Iterable[Child], seconds: float = LAST_SECONDS) -> None:
        """See `Tracking`."""
        self._last_seconds = max(self._last_seconds, seconds)

        def tell(run: RemoteRun) -> None:
            for child in runs:
                run.child(child)

        self._put(tell)

    def close(self, code: int | None) -> None:
        """End the run with the exit code of the work, None where it failed; wait a little for the thread."""
        status = FAILED if code is None else _STATUS.get(code, FAILED)
        metrics = {"seconds": time.time() - self._started}

        def end(run: RemoteRun) -> None:
            run.metrics(metrics, self._step())
            run.tags({"diar.exit_code": "none" if code is None else str(code)})
            run.end(status)

        self._closing.set()
        if self._put(self._last_figures) and self._put(end):
            self._put(None)
        self._thread.join(self._last_seconds)

    def _begin(self, run: RemoteRun) -> None:
        run.parameters({**option_parameters(self._config), **version_parameters()})

    def _last_figures(self, run: RemoteRun) -> None:
        if self._read is not None:
            run.metrics(self._read(), self._step())

    def _step(self) -> int:
        """Return the seconds since the start: MLflow's charts have no other axis that several runs share."""
        return round(time.time() - self._started)

    def _put(self, telling: Telling | None) -> bool:
        """Put into the queue what fits; return whether it did."""
        try:
            self._queue.put_nowait(telling)
        except queue.Full:
            self._lost = True
            return False
        return True

    def _work(self) -> None:
        """Tell what waits, and figures when they are due, until the end, or until nothing more is of use."""
        while not (self._lost and self._closing.is_set()):
            try:
                telling = self._queue.get(timeout=max(0.01, self._due - time.time()))
            except queue.Empty:
                telling = self._sample
            if telling is None:
                self._tell_end()
                return
            self._deliver(telling)

    def _sample(self, run: RemoteRun) -> None:
        """Tell the figures of this moment, and settle when the next are due."""
        now = time.time()
        self._due = now + max(_FIRST_INTERVAL, _GROWTH * (now - self._started))
        if self._read is not None:
            run.metrics(self._read(), self._step(), now)

    def _deliver(self, telling: Telling) -> None:
        """Tell one thing; while the server is away, again, until the work is at its end."""
        pause = _FIRST_PAUSE
        while True:
            try:
                if self._remote is None:
                    tags = {"diar.command": self._command}
                    experiment, started = self._config.mlflow_experiment, self._started
                    self._remote = RemoteRun.begin(self._server, experiment, self._command, tags, started)
                return telling(self._remote)
            except TrackingError as error:
                self._tell_once(error)
                if not error.away and self._remote is not None:
                    return None  # it refuses this one thing
                if self._closing.is_set():
                    self._lost = True
                    return None
                self._closing.wait(pause)
                pause = min(_LONGEST_PAUSE, 2 * pause)

    def _tell_once(self, error: TrackingError) -> None:
        if not self._told:
            self._told = True
            self._tell(f"warning: not tracked: {error}; the work goes on")

    def _tell_end(self) -> None:
        if self._remote is not None:
            self._tell(f"tracked: {self._remote.page}")


def _store(name: str, content: bytes | Path, run: RemoteRun) -> None:
    run.artifact(name, content)
