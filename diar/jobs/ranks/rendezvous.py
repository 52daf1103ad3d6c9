"""Agreement between the ranks of a run, through torch's key-value store alone.

Everything that a rank says at a step stays in the store. A rank that died and was started again passes
through the settled steps and meets the others where they are. No other rank has to start again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, TypeVar

import pyarrow as pa
import torch.distributed as dist

from diar.errors import DiarError, explain

T = TypeVar("T")
MENDABLE = (DiarError, OSError, pa.ArrowException)  # errors that a user can mend
_FIRST_PAUSE, _LONGEST_PAUSE = 0.01, 0.25  # seconds between two reads of the store
_PAUSE_A_RANK = 0.005  # seconds; all ranks together read 200 times a second, a hundredth of a core


class AgreedError(DiarError):
    """An error of one rank that all ranks know of and stop at."""


class Agreement:
    """One rank's side of the agreement; all values go through JSON.

    Args:
        store: shared by the ranks of the run only.
        rank: of this process.
        world_size: number of ranks.
    """

    def __init__(self, store: dist.Store, rank: int, world_size: int) -> None:
        self.store = store
        self.rank = rank
        self.world_size = world_size

    def agree(self, step: str, action: Callable[[], T]) -> T:
        """Run `action` on every rank; return this rank's result once all have succeeded.

        Raises:
            AgreedError: it failed on any rank.
        """
        outcome, error = self._attempt(action)
        self._say(step, None, error)
        self._hear(step, range(self.world_size))
        return outcome

    def broadcast(self, step: str, action: Callable[[], Any]) -> Any:
        """Run `action` on rank 0, unless the step is settled already; return its result on every rank.

        Raises:
            AgreedError: it failed.
        """
        if self.rank == 0 and not self.store.check([f"{step}/0"]):
            self._say(step, *self._attempt(action))
        return self._hear(step, [0])[0]

    def gather(self, step: str, value: Any) -> list[Any]:
        """Return the `value` of every rank, by rank.

        Raises:
            AgreedError: a rank left before it came here.
        """
        self._say(step, value)
        return self._hear(step, range(self.world_size))

    def remember(self, name: str, value: Any) -> Any:
        """Return `value`, or what this rank said under `name` before it died and was started again."""
        return json.loads(self.store.compare_set(f"{name}/{self.rank}", "", json.dumps(value)))

    def any_failed(self) -> bool:
        """Return whether any rank has met an error, after which no rank begins further work."""
        return self.store.check(["failed"])

    def request_stop(self) -> None:
        """Tell all ranks to begin no further recording; called in a thread of its own."""
        with suppress(RuntimeError):  # the store is gone, which whoever works meets, too
            self.store.set("stopping", str(self.rank))

    def stop_requested(self) -> bool:
        """Return whether a rank was asked to stop; called in a thread of its own."""
        with suppress(RuntimeError):
            return self.store.check(["stopping"])
        return False

    def leave(self, error: str | None = None) -> None:
        """Tell the others that this rank ends, with the reason if it is an error.

        Rank 0 waits for the end of the others: it may host the store, and they may still read from it.
        """
        self._say("end", None, error)
        if self.rank == 0:
            for rank in range(1, self.world_size):
                self._wait("end", rank)

    def _attempt(self, action: Callable[[], Any]) -> tuple[Any, str | None]:
        try:
            return action(), None
        except MENDABLE as error:
            self.store.set("failed", str(self.rank))
            return None, explain(error)

    def _say(self, step: str, value: Any, error: str | None = None) -> None:
        self.store.set(f"{step}/{self.rank}", json.dumps([value, error]))

    def _hear(self, step: str, ranks: Iterable[int]) -> list[Any]:
        said = [self._wait(step, rank) for rank in ranks]
        for _, error in said:
            if error is not None:
                raise AgreedError(error)
        return [value for value, _ in said]

    def _wait(self, step: str, rank: int) -> tuple[Any, str | None]:
        """Return (value, error) of a rank at a step; if the rank ended before, those of its end."""
        key, pause = f"{step}/{rank}", _FIRST_PAUSE
        longest = max(_FIRST_PAUSE, min(_LONGEST_PAUSE, _PAUSE_A_RANK * self.world_size))
        while not self.store.check([key]):
            if self.store.check([f"end/{rank}"]):
                key = f"end/{rank}"
                break
            time.sleep(pause)
            pause = min(1.5 * pause, longest)
        value, error = json.loads(self.store.get(key))
        return value, error
