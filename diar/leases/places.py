"""The processes that share a folder, on one machine or on several. It lies on a disk or in an object store.

Each has a place: a file in which it counts up a beat. All that is relied on is this: of several processes
that create the same file, one succeeds (`storage.create`); and whoever opens a file sees what was written
before it was closed. POSIX file systems, NFS from version 3 on and object stores with conditional requests
promise both. No clock is compared with another one: a place is dead once its beat has not changed for its
lease, by the clock of who looks. On one machine, the end of a process is seen at once.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from diar import storage
from diar.errors import DiarError

if TYPE_CHECKING:
    from diar.remote.objects import RemoteFile

_BEATS = 6  # in a lease
_RECORD = 512  # bytes of a place's file, which is written in one piece
_PREFIX = "place_"
_LOOK, _REMOTE_LOOK = 0.5, 2.0  # seconds between two looks at what the others do


class State(Enum):
    """What is known of a place."""

    ALIVE = "alive"
    UNKNOWN = "not seen for long enough"
    DEAD = "dead"


@dataclass(frozen=True)
class Place:
    """What a process tells of itself."""

    number: int
    id: str
    host: str
    pid: int
    machine: str  # tells whether `pid` means the same process to whoever reads it, see `_machine`
    lease: float  # seconds
    run: str = ""  # id of the run that it works for; empty before it knows
    beat: int = 0

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


@dataclass
class _Seen:
    """What was last read of a place, and when that was first so, by this process's clock."""

    place: Place | None
    since: float
    moved: bool = False  # whether the beat has changed while this process looked


class Places:
    """The processes at work in a folder, as one of them sees them.

    Args:
        folder: of the places' files, a path or URL.
        lease: seconds of silence after which this process may be taken for dead.
        on_lost: called in a thread with a reason if others have taken it for dead.
    """

    def __init__(self, folder: str, lease: float, on_lost: Callable[[str], None]) -> None:
        self._folder, self._lease, self._on_lost = folder, lease, on_lost
        self._remote = storage.local_path(folder) is None
        self._seen: dict[int, _Seen] = {}
        self._read_before: dict[str, tuple[RemoteFile, Place]] = {}
        self._answered = time.monotonic()  # when the folder was read or written last
        self._own: Place | None = None
        self._writing = threading.Lock()
        self._left = threading.Event()
        self._checks: list[Callable[[], str | None]] = []

    @property
    def pause(self) -> float:
        """Return the seconds to wait between two looks; in a store each costs requests."""
        return _REMOTE_LOOK if self._remote else _LOOK

    @property
    def own(self) -> Place:
        """Return this process's place, once it has entered."""
        assert self._own is not None
        return self._own

    def enter(self, first: int) -> None:
        """Take a free place, the next from number `first` on; count its beats in a thread from now on."""
        number, told = first, (uuid.uuid4().hex, socket.gethostname(), os.getpid(), _machine(os.getpid()))
        taken = set(storage.list_names(self._folder))
        while _name(number) in taken or not storage.create(
            self._file(number), _record(place := Place(number, *told, self._lease))
        ):
            number += 1
        self._own = place
        threading.Thread(target=self._beat, name="lease", daemon=True).start()

    def work_for(self, run: str) -> None:
        """Tell what run this process works for."""
        with self._writing:
            self._own = replace(self.own, run=run, beat=self.own.beat + 1)
            self._write()

    def check(self, lost: Callable[[], str | None]) -> None:
        """Ask `lost` at each beat for a reason why this process has been taken for dead."""
        self._checks.append(lost)

    def leave(self) -> None:
        """Give the place back."""
        self._left.set()
        with self._writing:
            storage.remove(self._file(self.own.number))

    def abandon(self) -> None:
        """Count no more beats; the place is left to die, as nothing can be removed."""
        self._left.set()

    def look(self) -> dict[int, tuple[Place, State]]:
        """Read the other places; return them by number."""
        found = {place.number: place for place in self._read_all()}
        self._note_answer()
        now = time.monotonic()
        for number in self._seen.keys() - found.keys():
            self._note(number, None, now)
        for number, place in found.items():
            self._note(number, place, now)
        own = -1 if self._own is None else self._own.number
        return {n: (place, self.state(n, place.id)) for n, place in found.items() if n != own}

    def state(self, number: int, id: str) -> State:
        """Return what is known of the process that has, or had, a place, by the last look."""
        if self._own is not None and self._own.id == id:
            return State.ALIVE
        seen, now = self._seen.setdefault(number, _Seen(None, time.monotonic())), time.monotonic()
        if seen.place is None:
            return State.DEAD if now - seen.since > self._lease else State.UNKNOWN
        if seen.place.id != id or now - seen.since > seen.place.lease:
            return State.DEAD
        here = _machine(seen.place.pid)
        if here.partition(" ")[0] == seen.place.machine.partition(" ")[0]:
            return State.ALIVE if here == seen.place.machine else State.DEAD
        return State.ALIVE if seen.moved else State.UNKNOWN

    def remove(self, number: int) -> None:
        """Remove the file of a dead place."""
        storage.remove(self._file(number))

    def is_empty(self) -> bool:
        """Return whether nobody has a place."""
        return not any(name.startswith(_PREFIX) for name in storage.list_names(self._folder))

    def _note_answer(self) -> None:
        """Note that the folder can be read now. Where it could not be for long, silence counts from now.

        Nobody could tell that it is alive meanwhile: a store or a drive was away, or this process slept.
        """
        now = time.monotonic()
        if self._own is not None and now - self._answered > self._lease / 2:
            for seen in list(self._seen.values()):
                seen.since = now
        self._answered = now

    def _note(self, number: int, place: Place | None, now: float) -> None:
        seen = self._seen.get(number)
        if seen is None:
            self._seen[number] = _Seen(place, now)
        elif seen.place != place:
            same = seen.place is not None and place is not None and seen.place.id == place.id
            self._seen[number] = _Seen(place, now, moved=same)

    def _read_all(self) -> Iterator[Place]:
        if self._remote:
            yield from self._read_remote()
            return
        for name in storage.list_names(self._folder):
            if name.startswith(_PREFIX) and (place := _read(storage.join(self._folder, name))) is not None:
                yield place

    def _read_remote(self) -> Iterator[Place]:
        """Read the places that were written since the last look, as the listing tells."""
        kept = {}
        for file in storage.list_remote(self._folder):
            name = file.path.rpartition("/")[2]
            if not name.startswith(_PREFIX):
                continue
            there, place = self._read_before.get(name, (None, None))
            if there != file:
                place = _read(storage.join(self._folder, name))
            if place is not None:
                kept[name] = file, place
                yield place
        self._read_before = kept

    def _file(self, number: int) -> str:
        return storage.join(self._folder, _name(number))

    def _beat(self) -> None:
        while not self._left.wait(self._lease / _BEATS):
            try:
                lost = next(filter(None, (lost() for lost in self._checks)), None) or self._count_up()
            except (OSError, DiarError):
                continue  # a failing disk or store: whoever works meets it, too; the others may take over
            if lost is not None:
                self._on_lost(lost)
                return

    def _count_up(self) -> str | None:
        """Write the next beat; return a reason if others have removed this place."""
        with self._writing:
            if self._left.is_set():
                return None
            url = self._file(self.own.number)
            there = _read(url)
            if there.id != self.own.id if there is not None else not storage.exists(url):
                return "others have taken it for dead"
            self._own = replace(self.own, beat=self.own.beat + 1)
            self._write()
            self._note_answer()
        return None

    def _write(self) -> None:
        path = storage.local_path(self._file(self.own.number))
        if path is None:
            storage.write_bytes_atomic(self._file(self.own.number), _record(self.own))
            return
        # In its place: NFS shows a file that is written again to whoever opens it, but may show one that was
        # renamed away for a while
        with path.open("r+b") as file:
            file.write(_record(self.own))


def _name(number: int) -> str:
    return f"{_PREFIX}{number:03d}.json"


def somebody_at_work(folder: str) -> Place | None:
    """Return a process that works in a folder; None if nobody does. Wait until that is known."""
    places = Places(folder, 0.0, _never)
    while others := [one for one in places.look().values() if one[1] != State.DEAD]:
        alive = next((place for place, state in others if state == State.ALIVE), None)
        if alive is not None:
            return alive
        time.sleep(places.pause)
    return None


def anybody(folder: str) -> bool:
    """Return whether anybody works in a folder, or may, without waiting to know."""
    return any(state != State.DEAD for _, state in Places(folder, 0.0, _never).look().values())


def _never(reason: str) -> None:
    raise AssertionError(f"only who has a place loses it: {reason}")


def _record(place: Place) -> bytes:
    return json.dumps(asdict(place)).ljust(_RECORD).encode()


def _read(url: str) -> Place | None:
    """Return what a place's file tells; None if it is gone or being written."""
    try:
        return Place(**json.loads(storage.read_bytes(url)))
    except (OSError, ValueError, TypeError):
        return None


def _machine(pid: int) -> str:
    """Return a text by which a process is known on this machine: its kernel and its start; without, empty.

    Two texts whose first words are equal were written where numbers of processes mean the same.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        space = os.readlink("/proc/self/ns/pid")  # noqa: PTH115 - no path
    except OSError:
        return f"{uuid.uuid4().hex} 0"  # equal to none
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        started = "gone" if fields[0] in "ZX" else fields[19]
    except OSError:
        started = "gone"
    return f"{boot}{space} {started}"
