"""What keeps purged recordings out of an output: hashes of their ids, which tell nothing by themselves.

Whoever has the file and guesses an id can see whether it was purged; there is no way around that, because a
later run has to see it, too.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np

from diar import storage
from diar.errors import DiarError
from diar.store.encryption.files import protected, revealed
from diar.store.layout import Layout

_SCHEMA = "diar.purged"
_VERSION = "1.0"
_SALT = 16  # bytes


@dataclass(frozen=True)
class Tombstone:
    """The purged recordings of one output.

    Attributes:
        salt: hexadecimal; another one in each output.
        sha256: of salt and id, of each recording.
    """

    salt: str
    sha256: frozenset[str]

    @classmethod
    def read(cls, url: str) -> Tombstone:
        """Read a tombstone; one that is not there holds nothing.

        Raises:
            DiarError: it is damaged: nobody knows any more what was purged.
        """
        if not storage.exists(url):
            return cls(os.urandom(_SALT).hex(), frozenset())
        try:
            record = json.loads(storage.read_bytes(url))
            return cls(str(record["salt"]), frozenset(map(str, record["sha256"])))
        except (ValueError, KeyError, TypeError) as error:
            raise DiarError(
                f"{url} is damaged ({type(error).__name__}: {error}): it kept purged recordings out; "
                "remove it and purge them again, or they come back"
            ) from None

    def holds(self, recording_id: str) -> bool:
        """Return whether a recording was purged."""
        return bool(self.sha256) and self._hash(recording_id) in self.sha256

    def lets_in(self, ids: Sequence[str]) -> np.ndarray:
        """Return (n,) bool: which of n recordings were not purged."""
        return np.array([not self.holds(recording_id) for recording_id in ids], bool)

    def write(self, url: str, more: Iterable[str]) -> None:
        """Write the tombstone with the hashes of more ids."""
        hashes = sorted(self.sha256 | {self._hash(recording_id) for recording_id in more})
        record = {"schema": _SCHEMA, "schema_version": _VERSION, "salt": self.salt, "sha256": hashes}
        storage.write_bytes_atomic(url, json.dumps(record, indent=0).encode())

    def _hash(self, recording_id: str) -> str:
        return hashlib.sha256(
            bytes.fromhex(self.salt) + recording_id.encode(errors="surrogatepass")
        ).hexdigest()


def of_extraction(root: str) -> str:
    """Return the URL of the tombstone of an output of stage 1."""
    return storage.join(Layout(root).private, "purged.json")


def of_result(root: str) -> str:
    """Return the URL of the tombstone of an output of stage 2."""
    return storage.join(root, "_detection", "purged.json")


@dataclass(frozen=True)
class Journal:
    """What is being purged, until it is done: the same command goes on with it after a kill.

    Attributes:
        ids: of recordings.
        paths: where their audio was read.
        people: names that were asked for.
        vectors: hashes of their embeddings, by which what is left is searched.
    """

    ids: list[str]
    paths: list[str]
    people: list[str]
    vectors: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, tombstone: str) -> Journal | None:
        """Return the journal beside a tombstone, None without one."""
        url = journal_of(tombstone)
        if not storage.exists(url):
            return None
        return cls(**json.loads(revealed(storage.read_bytes(url))))

    def write(self, tombstone: str) -> None:
        """Write the journal beside a tombstone."""
        storage.write_bytes_atomic(journal_of(tombstone), protected(json.dumps(asdict(self)).encode()))


def journal_of(tombstone: str) -> str:
    """Return the URL of the journal beside a tombstone."""
    return tombstone.removesuffix("d.json") + "_under_way.json"
