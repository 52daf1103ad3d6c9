"""Runs that others may join: any number of processes share one plan through the output's folder alone.

The folder lies on a disk or in an object store.
Nobody leads. Whoever comes while nobody is at work settles the plan; the others take it as it is.
"""

from __future__ import annotations

import json
import os
import sys
import time
from types import TracebackType
from typing import Any

from diar import storage
from diar.errors import EXIT_UNFINISHED
from diar.leases.alone import LockError
from diar.leases.leases import Leases
from diar.leases.places import Place, Places, State, somebody_at_work

_PLAN = "plan"  # the claim on settling it; shards are claimed by number


class Joined:
    """This process among those that share the work; a context manager, which takes a place and leaves it.

    Args:
        private: folder of the extraction's own files.
        lease: seconds of silence after which a process is taken for dead.

    Attributes:
        left: names of what earlier processes had claimed when they died, once this one settles the plan.

    Entering it raises:
        NoConditions: the output lies in a store that keeps nobody apart.
    """

    def __init__(self, private: str, lease: float) -> None:
        self._folder = joined_folder(private)
        self._places = Places(self._folder, lease, _end_as_lost)
        self.leases = Leases(storage.join(self._folder, "claims"), self._places)
        self.left: set[str] = set()

    def __enter__(self) -> Joined:
        # Numbers of processes that have left are not given again: what they told of themselves stays
        self._places.enter(max([-1, *map(_number, self._reports())]) + 1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.leases.leave(error) and self._places.is_empty():
            self._forget()

    @property
    def pause(self) -> float:
        """Return the seconds to wait between two looks at what the others do."""
        return self._places.pause

    @property
    def number(self) -> int:
        """Return this process's number among those at work, from 0."""
        return self._places.own.number

    def run_to_join(self) -> str | None:
        """Return the id of the run that others are at; None where this process is to settle the plan.

        It then holds the claim on that until `settled`.
        """
        while True:
            run, others = self._read_run(), self._places.look().values()
            at_it = [state for place, state in others if run and place.run == run]
            if run and State.ALIVE in at_it:
                self._places.work_for(run)
                return run
            if State.UNKNOWN not in at_it and self.claim(_PLAN):
                run, others = self._read_run(), self._places.look().values()
                if not any(run and place.run == run and state != State.DEAD for place, state in others):
                    self._clean()
                    return None
                self.leases.release(_PLAN)  # somebody has settled it meanwhile
            time.sleep(self.pause)

    def settled(self, run: str) -> None:
        """Let others join the run."""
        storage.write_bytes_atomic(self._run_file, json.dumps({"run": run}).encode())
        self._places.work_for(run)
        self.leases.release(_PLAN)

    def work_for(self, run: str) -> None:
        """Join a run that this process knows of by its launcher."""
        self._places.work_for(run)

    def look(self) -> dict[int, tuple[Place, State]]:
        """Return the others and what is known of them."""
        return self._places.look()

    def state(self, owner: tuple[int, str] | None) -> State:
        """Return what is known of the process that a claim names."""
        return State.UNKNOWN if owner is None else self._places.state(*owner)

    def claim(self, name: str) -> bool:
        """Claim what one process is to do, if nobody has, or who has is dead; return whether it worked."""
        generation = self.leases.newest().get(name)
        if generation is None:
            return self.leases.take(name)
        if self.state(self.leases.owner(name, generation)) == State.DEAD:
            return self.leases.take(name, generation + 1)
        return False

    def report(self, report: dict[str, Any]) -> None:
        """Publish what this process reports at its end."""
        url = storage.join(self._folder, f"report_{self.number:03d}.json")
        storage.write_bytes_atomic(url, json.dumps(report).encode())

    def reports(self) -> list[dict[str, Any]]:
        """Return what the processes have reported that are at their end."""
        return [json.loads(content) for content in map(_content, self._reports()) if content]

    def _reports(self) -> list[str]:
        """Return the files of what processes have reported."""
        names = storage.list_names(self._folder)
        return [storage.join(self._folder, name) for name in names if name.startswith("report_")]

    @property
    def _run_file(self) -> str:
        return storage.join(self._folder, "run.json")

    def _read_run(self) -> str:
        try:
            run: str = json.loads(storage.read_bytes(self._run_file))["run"]
        except (OSError, ValueError, KeyError):
            return ""
        return run

    def _clean(self) -> None:
        """Remove what earlier runs have left."""
        self.left = self.leases.newest().keys() - {_PLAN}
        self.leases.remove_others()
        self._forget()
        for number, (_, state) in self._places.look().items():
            if state == State.DEAD:
                self._places.remove(number)

    def _forget(self) -> None:
        """Remove what processes have reported, where nobody is at work any more."""
        for url in self._reports():
            storage.remove(url)


def joined_folder(private: str) -> str:
    """Return the folder of those who share the work."""
    return storage.join(private, "joined")


def _number(url: str) -> int:
    return int(url.rpartition("_")[2].removesuffix(".json"))


def _content(url: str) -> bytes:
    """Return the content of a file; of one that is gone, nothing."""
    try:
        return storage.read_bytes(url)
    except FileNotFoundError:
        return b""


def _end_as_lost(reason: str) -> None:
    """End this process at once: others do its work."""
    told = f"error: process {os.getpid()} was silent for too long, and {reason}; it ends here"
    print(told, file=sys.stderr, flush=True)
    os._exit(EXIT_UNFINISHED)


def refuse_beside_joined(private: str) -> None:
    """Refuse to work alone in an output that others have joined.

    Raises:
        LockError: they are at work.
    """
    place = somebody_at_work(joined_folder(private))
    if place is not None:
        raise LockError(
            f"another run is writing here, {place}, and others may join it: wait for it, stop it, or share "
            "its work with `join`"
        )
