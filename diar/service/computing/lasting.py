"""An engine in a process that is started again when it dies, while its streams go on.

What a stream was given since its last checkpoint is kept here. A stream's events depend on that alone, so a
new process that is given the same tells the same. What was told before is left out: only the wait is noticed.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import numpy as np

from diar.errors import DiarError, explain
from diar.online.events import Event
from diar.online.settings import LiveSettings
from diar.service.computing.past import Given, Past
from diar.service.computing.streams import Begun, Checkpoint, EngineGone, MortalEngine, Renewed

_LOG = logging.getLogger("diar.service")
_MOST_KEPT = 10.0  # seconds of samples after which a checkpoint cannot wait for those of other streams
_DEATHS = 2  # of its process that a stream is computed at, the last one alone: it is the reason then
_PAUSES = (1.0, 5.0)  # seconds after which a process is started once more that ended while it started
_ENDS = "the service ends"


class Keeper(Protocol):
    """What is told of streams, in the thread that computes; see `Lane`."""

    stopping: bool

    def pause(self) -> None: ...  # noqa: D102
    def go_on(self) -> None: ...  # noqa: D102
    def renew(self, key: str, renewed: Renewed) -> None: ...  # noqa: D102
    def lose(self, key: str, reason: str) -> None: ...  # noqa: D102


class LastingEngine:
    """The engine of a lane. Used by one thread.

    Args:
        open_engine: starts a process.
        keeper: is told of what sessions notice.

    Raises:
        DiarError: the networks cannot be opened.
        EngineGone: the process ended at once. Later: it ended, and cannot be started again.
    """

    def __init__(self, open_engine: Callable[[], MortalEngine], keeper: Keeper) -> None:
        self._open, self._keeper = open_engine, keeper
        self._engine = open_engine()
        self._pasts: dict[str, Past] = {}

    def begin(self, key: str, settings: LiveSettings, past: Checkpoint | None = None) -> Begun:
        """Do what `ServiceEngine.begin` does; so do all others.

        Raises:
            DiarError: as there; KeyError: there is no such stream, or it cannot go on.
        """
        if key in self._pasts:
            raise DiarError(f"there is a stream {key!r} already")
        self._pasts[key] = Past(settings, past)
        try:
            begun: Begun = self._do(key, "begin")
        except KeyError:
            raise DiarError("its saved state ended the process that computes sessions") from None
        except Exception:
            self._pasts.pop(key, None)
            raise
        return begun

    def feed(self, samples: Mapping[str, np.ndarray]) -> dict[str, list[Event]]:  # noqa: D102
        pasts = {key: self._past(key) for key in samples}
        for key, past in pasts.items():
            past.asked = Given("feed", (samples[key],))
        try:
            events = dict(self._engine.feed(samples))
        except EngineGone as error:
            self._revive(error, samples)
            events = self._fed_again(samples)
        finally:
            for past in pasts.values():
                past.asked = None
        for key, own in events.items():
            pasts[key].note(Given("feed", (samples[key],)), own)
        self._save_due()
        return events

    def finalize(self, key: str) -> list[Event]:  # noqa: D102
        return self._change(key, "finalize")

    def rename(self, key: str, speaker: str, name: str) -> list[Event]:  # noqa: D102
        return self._change(key, "rename", speaker, name)

    def tell_words(self, key: str, *told: Any) -> list[Event]:  # noqa: D102
        return self._change(key, "tell_words", *told)

    def state(self, key: str) -> tuple[bytes, float]:  # noqa: D102
        state: tuple[bytes, float] = self._do(key, "state")
        return state

    def close(self, key: str) -> list[Event]:  # noqa: D102
        events: list[Event] = self._do(key, "close")
        del self._pasts[key]
        return events

    def drop(self, key: str) -> None:  # noqa: D102
        self._pasts.pop(key, None)
        try:
            self._engine.drop(key)
        except EngineGone as error:
            self._revive(error)

    def warm_up(self) -> dict[str, str]:  # noqa: D102
        try:
            return self._engine.warm_up()
        except EngineGone as error:
            self._revive(error)
            return self._engine.warm_up()

    def check(self) -> None:
        """Start the process again if it has ended."""
        try:
            self._engine.check()
        except EngineGone as error:
            self._revive(error)

    def shut_down(self) -> None:  # noqa: D102
        self._engine.shut_down()

    def _past(self, key: str) -> Past:
        if key not in self._pasts:
            raise KeyError(key)
        return self._pasts[key]

    def _change(self, key: str, method: str, *arguments: Any) -> list[Event]:
        events: list[Event] = self._do(key, method, *arguments)
        self._pasts[key].note(Given(method, arguments), events)
        self._save_due()
        return events

    def _do(self, key: str, method: str, *arguments: Any) -> Any:
        """Have something done; if the process ends meanwhile, by the next one."""
        past = self._past(key)
        past.asked = Given(method, arguments)
        try:
            return self._run(key, past, past.asked)
        except EngineGone as error:
            self._revive(error, [key])
            if isinstance(self._past(key).answer, Exception):
                raise past.answer from None
            return past.answer
        finally:
            past.asked = past.answer = None

    def _run(self, key: str, past: Past, given: Given) -> Any:
        if given.method == "begin":
            return self._engine.begin(key, past.settings, past.checkpoint)
        if given.method == "feed":
            return self._engine.feed({key: given.arguments[0]})[key]
        return getattr(self._engine, given.method)(key, *given.arguments)

    def _fed_again(self, keys: Iterable[str]) -> dict[str, list[Event]]:
        """Return the answers of a new process to samples; end streams that could not take them."""
        events = {}
        for key in keys:
            past = self._pasts.get(key)
            if past is not None and isinstance(past.answer, Exception):
                self._lose(key, explain(past.answer))
            elif past is not None:
                events[key], past.answer = past.answer, None
        return events

    def _save_due(self) -> None:
        """Give a checkpoint to the stream that needs it most, and to those that cannot wait."""
        due = sorted((past.seconds, key) for key, past in self._pasts.items() if past.due)
        for seconds, key in due:
            if key == due[-1][1] or seconds >= _MOST_KEPT:
                self._save(key)

    def _save(self, key: str) -> None:
        past = self._pasts.get(key)
        if past is None:
            return
        try:
            past.begin_anew(self._do(key, "checkpoint", past.known_chunks))
        except EngineGone:
            raise
        except KeyError:
            return  # it was the reason why processes ended
        except Exception as error:
            _LOG.exception("a session will not survive the end of its process")
            past.unsaved, past.given, past.told = explain(error), [], []

    def _revive(self, error: EngineGone, suspects: Iterable[str] = ()) -> None:
        """Start the process again, and bring all streams to where they were.

        Raises:
            EngineGone: it cannot be started, or the service ends.
        """
        for key in suspects:
            self._pasts[key].deaths += 1
        _LOG.error("%s; it is started again, and its %d sessions go on", error, len(self._pasts))
        there = False
        while not there:
            self._keeper.pause()
            self._engine.shut_down()
            self._engine = self._started()
            there = self._replay_all()
        self._keeper.go_on()

    def _started(self) -> MortalEngine:
        for pause in (*_PAUSES, None):
            if self._keeper.stopping:
                break
            try:
                return self._open()
            except EngineGone as error:
                if pause is None:
                    raise
                _LOG.error("%s while it started", error)
                time.sleep(pause)
            except DiarError as error:
                raise EngineGone(
                    f"the process that computes sessions cannot be started again: {error}"
                ) from None
        raise EngineGone(_ENDS)

    def _replay_all(self) -> bool:
        """Bring streams to where they were, one by one; return False if the process ended meanwhile."""
        for key, past in list(self._pasts.items()):
            if self._keeper.stopping:
                raise EngineGone(_ENDS)
            try:
                self._replay(key, past)
            except EngineGone as error:
                past.deaths += 1
                if past.deaths >= _DEATHS:
                    self._lose(key, f"{error} twice, at this session's audio")
                return False
            except Exception as error:  # what worked before does not: this stream only is lost
                _LOG.exception("a session cannot go on after the end of its process")
                self._lose(key, explain(error))
        return True

    def _replay(self, key: str, past: Past) -> None:
        if past.asked is not None and past.asked.method == "begin":
            past.answer = self._answer(key, past, past.asked)
            return
        if past.unsaved is not None:
            raise RuntimeError(past.unsaved)
        self._engine.begin(key, past.settings, past.checkpoint)
        events = [event for given in past.given for event in self._run(key, past, given)]
        if not past.is_told_by(events):
            self._renew(key, past)
        if past.asked is not None:
            past.answer = self._answer(key, past, past.asked)

    def _renew(self, key: str, past: Past) -> None:
        """Tell what holds now, since it is not what was told; networks need not round alike everywhere."""
        _LOG.warning("a session goes on a little otherwise after the end of its process")
        renewed = self._engine.renew(key, past.seq)
        past.seq = renewed.seq
        self._keeper.renew(key, renewed)
        past.begin_anew(self._engine.checkpoint(key, past.known_chunks))

    def _answer(self, key: str, past: Past, given: Given) -> Any:
        """Return what is answered, an error as well."""
        try:
            return self._run(key, past, given)
        except EngineGone:
            raise
        except Exception as error:
            return error

    def _lose(self, key: str, reason: str) -> None:
        del self._pasts[key]
        self._keeper.lose(key, reason)
