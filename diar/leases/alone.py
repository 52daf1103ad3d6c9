"""One run at a time in an output of an object store: a lease that is renewed, and expires with its holder.

Each rank of a run has a place with a beat in `running/`, beside the lock file of outputs on disks. The first
one claims the run before the others begin. A run whose ranks are all dead holds nobody up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from diar import storage
from diar.errors import DiarError, NoConditions
from diar.leases.leases import Leases
from diar.leases.places import Place, Places, State, somebody_at_work

_RUN = "run"  # what is claimed; also what the places of its ranks say that they work for
_UNGUARDED = "nothing keeps a second run out of this output, start one at a time"
_held: set[str] = set()  # folders in which this process has a place


class LockError(DiarError):
    """Another run is writing to the same place."""


@dataclass(frozen=True)
class Waiting:
    """How to wait for a run that may be ending.

    Attributes:
        seconds: for one that is known to be at work.
        tell: is told of one of which nothing is known yet.
    """

    seconds: float
    tell: Callable[[str], object]


def folder_of_runs(lock: str) -> str:
    """Return the folder of the places of ranks, beside a lock file."""
    return storage.join(lock.rpartition("/")[0], "running")


def refuse_beside_run(lock: str, waiting: Waiting) -> None:
    """Refuse to begin while a run that nobody may join holds an output.

    Raises:
        LockError: it is at work.
    """
    deadline = time.monotonic() + waiting.seconds
    while (place := somebody_at_work(folder_of_runs(lock))) is not None:
        if time.monotonic() > deadline:
            raise _refusal(place, folder_of_runs(lock))
        time.sleep(1)


@contextmanager
def lease_of_run(
    lock: str, first: bool, lease: float, waiting: Waiting, on_lost: Callable[[str], None]
) -> Iterator[None]:
    """Keep a second run out while this rank works. A second rank, or a second time, in one process is one.

    Args:
        lock: URL of the lock file of outputs on disks.
        first: whether this rank begins the run; the other ranks share its lease.
        lease: seconds of silence after which this rank may be taken for dead.
        waiting: for other runs.
        on_lost: called in a thread with a reason if that happens.

    Raises:
        LockError: another run holds it.
    """
    folder = folder_of_runs(lock)
    if folder in _held:
        yield
        return
    places = Places(folder, lease, on_lost)
    leases = Leases(storage.join(folder, "claims"), places)
    try:
        places.enter(0)
    except NoConditions as error:
        waiting.tell(f"warning: {error}; {_UNGUARDED}")
        yield
        return
    _held.add(folder)
    try:
        if first:
            _begin(places, leases, folder, waiting)
        places.work_for(_RUN)
        yield
    except BaseException as error:
        leases.leave(error)
        raise
    else:
        leases.leave(None)
    finally:
        _held.discard(folder)


def _begin(places: Places, leases: Leases, folder: str, waiting: Waiting) -> None:
    """Claim the run, once no rank of another one is at work."""
    deadline, told = time.monotonic() + waiting.seconds, False
    while True:
        others = _at_run(places)
        if not others and _claim(places, leases, waiting):
            if not _at_run(places):
                return _clean(places, leases)
            leases.release_all()  # a rank of the earlier run has come back meanwhile
        alive = [place for place, state in others if state == State.ALIVE] or _claimants(places, leases)
        if alive and time.monotonic() > deadline:
            raise _refusal(alive[0], folder)
        if others and not alive and not told:
            waiting.tell(f"waiting to know whether {others[0][0]} still works here, {_most(others)}")
            told = True
        time.sleep(places.pause)


def _most(others: list[tuple[Place, State]]) -> str:
    return f"at most {max(place.lease for place, _ in others):.0f} s"


def _at_run(places: Places) -> list[tuple[Place, State]]:
    """Return the ranks of other runs that are not known to be dead."""
    return [one for one in places.look().values() if one[0].run and one[1] != State.DEAD]


def _claim(places: Places, leases: Leases, waiting: Waiting) -> bool:
    generation = leases.newest().get(_RUN)
    owner = None if generation is None else leases.owner(_RUN, generation)
    if generation is not None and (owner is None or places.state(*owner) != State.DEAD):
        return False
    try:
        return leases.take(_RUN, 0 if generation is None else generation + 1)
    except NoConditions as error:
        waiting.tell(f"warning: {error}; {_UNGUARDED}")
        return True


def _claimants(places: Places, leases: Leases) -> list[Place]:
    """Return the process that holds the claim, if it is alive."""
    generation = leases.newest().get(_RUN)
    owner = None if generation is None else leases.owner(_RUN, generation)
    found = None if owner is None else places.look().get(owner[0])
    return [found[0]] if found is not None and found[1] == State.ALIVE else []


def _clean(places: Places, leases: Leases) -> None:
    """Remove what dead runs have left."""
    leases.remove_others()
    for number, (_, state) in places.look().items():
        if state == State.DEAD:
            places.remove(number)


def _refusal(place: Place, folder: str) -> LockError:
    return LockError(
        f"another run is writing here, {place}, and holds {folder}; wait for it or stop it (one that died on "
        f"another machine is forgotten after {place.lease:.0f} s)"
    )
