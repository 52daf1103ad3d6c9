"""Being asked to stop: a rank finishes the recordings that it is at, within a time of grace.

Signals ask, and so does the notice that a machine of a cloud's spot market gets before it is taken away. The
first rank that is asked tells the others by the store.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

from diar import storage
from diar.errors import EXIT_INTERRUPTED

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
AGAIN = 1.0  # seconds after which another signal is a second one; torchrun and Ctrl-C send two at once
_LOOK = 0.5  # seconds
_NOTICE_EVERY = 5.0  # seconds, as clouds advise
_LATE = 0.6  # share of the grace after which recordings that are begun are left; the rest is for publishing
_ANSWER = 2.0  # seconds for an answer


class Stopping:
    """Whether this rank is to stop, and how far that is; a context manager, which listens meanwhile.

    After the time of grace the process ends, whatever it is at. What is published stays.

    Args:
        grace: seconds from being asked to the end.
        notice: file whose appearance asks, or http(s) address whose answer 200 does; None = none.
        told_by_others: returns whether another rank was asked.
        tell_others: tells them.
        quiet: whether another rank says on the terminal what happens.
        signals_told: whether somebody else tells of signals.
    """

    def __init__(
        self,
        grace: float,
        notice: str | None = None,
        *,
        told_by_others: Callable[[], bool] = lambda: False,
        tell_others: Callable[[], None] = lambda: None,
        quiet: bool = False,
        signals_told: bool = False,
    ) -> None:
        self._grace, self._notice, self._quiet, self._signals_told = grace, notice, quiet, signals_told
        self._told_by_others, self._tell_others = told_by_others, tell_others
        self._asked: float | None = None
        self._reason = ""
        self._warned = False
        self._over = threading.Event()
        self._before: dict[int, Any] = {}  # handlers of signals

    def __enter__(self) -> Stopping:
        self._before = replaced_handlers(self._hear)
        threading.Thread(target=self._watch, name="stopping", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @property
    def requested(self) -> bool:
        """Whether no further recording is to be begun."""
        return self._asked is not None

    @property
    def late(self) -> bool:
        """Whether recordings that are begun are to be left, so that what is computed can be published."""
        return self._asked is not None and time.monotonic() - self._asked > _LATE * self._grace

    def request(self, reason: str) -> None:
        """Ask this rank to stop."""
        if self._asked is None:
            self._reason, self._asked = reason, time.monotonic()

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self._asked is not None and time.monotonic() - self._asked > AGAIN:
            os._exit(EXIT_INTERRUPTED)
        self.request("" if self._signals_told else f"signal {number}")

    def _watch(self) -> None:
        last_look = -_NOTICE_EVERY
        while self._asked is None and not self._over.wait(_LOOK):
            if self._notice is not None and time.monotonic() - last_look >= _NOTICE_EVERY:
                last_look = time.monotonic()
                if self._noticed(self._notice):
                    self.request(f"interruption notice {self._notice}")
            if self._told_by_others():
                self.request("")
        if self._asked is None:
            return
        self._tell_others()
        if self._reason and not self._quiet:
            print(f"interrupted ({self._reason}); {promise(self._grace)}", file=sys.stderr)
        if not self._over.wait(max(0.0, self._grace - (time.monotonic() - self._asked))):
            os._exit(EXIT_INTERRUPTED)

    def _noticed(self, notice: str) -> bool:
        """Return whether the file exists or the address answers 200."""
        if not notice.startswith(("http://", "https://")):
            return storage.exists(notice)
        from urllib import error, request  # 0.1 s to import

        opener = request.build_opener(request.ProxyHandler({}))  # metadata services are never behind a proxy
        try:
            with opener.open(notice, timeout=_ANSWER) as answer:
                return bool(answer.status == 200)
        except error.HTTPError:
            return False  # 404 = not yet
        except OSError as problem:
            if not self._warned:
                print(f"warning: {notice} (--interruption_notice): {problem}", file=sys.stderr)
            self._warned = True
            return False


def replaced_handlers(handler: Callable[[int, FrameType | None], None]) -> dict[int, Any]:
    """Handle the signals that ask a run to stop; return their handlers from before, to be set again.

    Python lets only the main thread handle signals; started in another, the process ends by them. Those that
    the parent ignores stay ignored: SIGHUP by nohup, SIGINT by `command &` in a script.
    """
    ours = SIGNALS if threading.current_thread() is threading.main_thread() else ()
    handlers = {number: signal.getsignal(number) for number in ours}
    before: dict[int, Any] = {number: now for number, now in handlers.items() if now != signal.SIG_IGN}
    for number in before:
        signal.signal(number, handler)
    return before


def promise(grace: float) -> str:
    """Return what a process that was asked to stop says that it does."""
    return f"finishing the recordings that are begun, for at most {grace:g} s; once more = at once"
