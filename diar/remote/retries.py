"""Requests to remote stores are repeated, with growing pauses, until the store answers or patience ends."""

from __future__ import annotations

import errno
import functools
import logging
import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from diar.errors import DiarError, StoreUnavailable
from diar.remote.errors import http_status, is_transient, reason
from diar.remote.filesystems import protocols

if TYPE_CHECKING:
    import tenacity

# Seconds for a store that has answered before: it restarts, or is overloaded
PATIENCE = float(os.environ.get("DIAR_REMOTE_PATIENCE", "120"))
FIRST_PATIENCE = 5.0  # for one that never has, or not for `PATIENCE`: whoever ends now need not wait again
_FORBIDDEN = (401, 403)  # answers of servers
_PAUSE, _LONGEST_PAUSE = 0.2, 15.0  # seconds; the most doubles, and the pause is a random part of it

_P = ParamSpec("_P")
_R = TypeVar("_R")
log = logging.getLogger(__name__)


class _Known:
    """Which stores have answered this process, and how many requests were repeated."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answered: set[str] = set()
        self.repeated = 0

    def has_answered(self, url: str) -> bool:
        return _store(url) in self._answered

    def answered(self, url: str) -> None:
        if _store(url) not in self._answered:
            with self._lock:
                self._answered.add(_store(url))

    def gave_up(self, url: str) -> None:
        with self._lock:
            self._answered.discard(_store(url))

    def count(self) -> None:
        with self._lock:
            self.repeated += 1


_known = _Known()


def repeated_requests() -> int:
    """Return how many requests of this process were repeated so far."""
    return _known.repeated


def patiently(request: Callable[_P, _R]) -> Callable[_P, _R]:
    """Repeat a request, whose first argument is its URL, while its errors may pass.

    The wrapped function raises:
        OSError: of this one file (missing, not allowed); the store's message.
        StoreUnavailable: no usable answer for `PATIENCE` seconds.
        DiarError: what no repetition mends, such as missing credentials.
    """

    @functools.wraps(request)
    def repeated(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        url = str(args[0])
        try:
            result = request(*args, **kwargs)
        except Exception as error:
            _refuse_permanent(url, error)
            result = _again(url, functools.partial(request, *args, **kwargs))
        _known.answered(url)
        return result

    return repeated


def _refuse_permanent(url: str, error: Exception) -> None:
    """Raise `error`, as an OSError or a DiarError, unless it may pass."""
    if is_transient(error):
        return
    if isinstance(error, OSError):
        _known.answered(url)
    if isinstance(error, OSError | DiarError):
        raise error
    if http_status(error) in _FORBIDDEN:  # of this file; drivers of S3 and Google make an OSError of it
        _known.answered(url)
        raise PermissionError(errno.EACCES, reason(error), url) from error
    raise DiarError(f"{url}: {type(error).__name__}: {reason(error)}") from error


def _again(url: str, request: Callable[[], _R]) -> _R:
    import tenacity  # takes 0.05 s to import, which only trouble need pay

    patience = PATIENCE if _known.has_answered(url) else FIRST_PATIENCE
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception(is_transient),
        wait=tenacity.wait_random_exponential(multiplier=_PAUSE, max=_LONGEST_PAUSE, min=_PAUSE / 2),
        stop=tenacity.stop_after_delay(patience),
        before_sleep=functools.partial(_note, url),
    )
    try:
        return retrying(request)
    except tenacity.RetryError as failed:
        last = failed.last_attempt.exception()
        assert last is not None
        _known.gave_up(url)
        text = f"{url}: the store gave no usable answer for {patience:.0f} s: {reason(last)}"
        raise StoreUnavailable(f"{text}; check its address and the network, then run it again") from last
    except Exception as error:
        _refuse_permanent(url, error)
        raise


def _note(url: str, state: tenacity.RetryCallState) -> None:
    _known.count()
    outcome = state.outcome
    error = outcome.exception() if outcome is not None else None
    log.info("%s: attempt %d: %s", url, state.attempt_number, error)


def _store(url: str) -> str:
    """Return what says which store a URL is of: the innermost protocol and the bucket or host."""
    innermost = url.rsplit("::", 1)[-1]
    return f"{protocols(innermost)[0]}://{innermost.partition('://')[2].partition('/')[0]}"
