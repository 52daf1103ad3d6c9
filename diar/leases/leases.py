"""Claims on work that processes share through a folder.

A claim is a file that names the place of a process. The process that takes over from a dead one makes a file
of the next generation; of several, one succeeds (see `places`).
"""

from __future__ import annotations

from diar import storage
from diar.errors import NoConditions, StoreUnavailable
from diar.leases.places import Places


class Leases:
    """Claims on named work, of which each is one process's as long as that lives.

    Args:
        folder: of the claims' files, a path or URL.
        places: of the processes.
    """

    def __init__(self, folder: str, places: Places) -> None:
        self._folder, self._places = folder, places
        self._proved = storage.local_path(folder) is not None  # that a file is created only once
        self._owners: dict[tuple[str, int], tuple[int, str]] = {}
        self._own: dict[str, int] = {}  # generation by name
        places.check(self._lost)

    def newest(self) -> dict[str, int]:
        """Return the generation of the newest claim on each name."""
        found: dict[str, int] = {}
        for name in storage.list_names(self._folder):
            what, _, generation = name.rpartition(".")
            if what and generation.isdecimal():
                found[what] = max(int(generation), found.get(what, -1))
        return found

    def take(self, name: str, generation: int = 0) -> bool:
        """Claim what nobody has claimed, or the next generation of a dead claim; return whether it worked.

        Raises:
            NoConditions: the store lets several processes create one file.
        """
        url, place = self._file(name, generation), self._places.own
        if not storage.create(url, f"{place.number} {place.id}".encode()):
            return False
        if not self._proved and storage.create(url, f"{place.number} {place.id} again".encode()):
            storage.remove(url)
            raise NoConditions(f"{url}: the store replaces a file that may only be created")
        self._proved = True
        self._own[name] = generation
        return True

    def owner(self, name: str, generation: int) -> tuple[int, str] | None:
        """Return number and id of the place that a claim names; None while nobody can read it."""
        key = name, generation
        if key not in self._owners:
            try:
                number, _, id = storage.read_bytes(self._file(name, generation)).decode().partition(" ")
            except OSError:
                return None
            if not id:
                return None
            self._owners[key] = int(number), id
        return self._owners[key]

    def is_own(self, name: str) -> bool:
        """Return whether the newest claim on a name, as far as known, is this process's."""
        return name in self._own

    def release(self, name: str) -> None:
        """Give a claim back."""
        storage.remove(self._file(name, self._own.pop(name)))

    def release_all(self) -> None:
        """Give all claims back: of what is done, and of what others may do now."""
        for name in list(self._own):
            self.release(name)

    def leave(self, error: BaseException | None) -> bool:
        """Give all claims and the place back; return whether the storage answered.

        Args:
            error: that ends the work; after it, a store that is away is no second one, and the place is left
                to die.

        Raises:
            StoreUnavailable: the store does not answer, without another error.
        """
        try:
            self.release_all()
            self._places.leave()
        except StoreUnavailable:
            self._places.abandon()
            if error is None:
                raise
            return False
        return True

    def remove_others(self) -> None:
        """Remove all claims but this process's own, where nobody else is at work."""
        kept = {self._file(name, generation) for name, generation in self._own.items()}
        for url in (storage.join(self._folder, name) for name in storage.list_names(self._folder)):
            if url not in kept:
                storage.remove(url)

    def _lost(self) -> str | None:
        own = dict(self._own)
        newest = self.newest() if own else {}
        for name, generation in own.items():
            if newest.get(name) != generation and self._own.get(name) == generation:
                return f"others have taken over {name}"
        return None

    def _file(self, name: str, generation: int) -> str:
        return storage.join(self._folder, f"{name}.{generation}")
