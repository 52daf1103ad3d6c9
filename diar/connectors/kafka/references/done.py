"""Which references are finished: told by a compacted topic, so that a copy of one is left out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from diar.connectors.kafka.client import LOG
from diar.connectors.kafka.intake import read_partition
from diar.connectors.kafka.topics import Topics


class Finished:
    """Fingerprints of finished references, of this worker's partitions.

    Args:
        settings: of a client.
        topics: their names.
        most: references that are known; those that were finished first are forgotten first.
    """

    def __init__(self, settings: Mapping[str, Any], topics: Topics, most: int) -> None:
        self._settings, self._topic, self._most = settings, topics.done, most
        self._known: dict[tuple[int, bytes], bytes] = {}
        self._partitions: set[int] = set()

    def take_over(self, partitions: Iterable[int]) -> None:
        """Know what is finished in these partitions, and in no others."""
        wanted = set(partitions)
        self._known = {}
        for partition in sorted(wanted):
            for message in read_partition(self._settings, self._topic, partition):
                self._read(partition, message)
        self._partitions = wanted
        LOG.info("%d finished references in partitions %s", len(self._known), sorted(wanted))

    def has(self, partition: int, identifier: bytes, fingerprint: str) -> bool:
        """Whether a reference is finished, with the same options and networks."""
        return self._known.get((partition, identifier)) == bytes.fromhex(fingerprint)

    def add(self, partition: int, identifier: bytes, fingerprint: str) -> None:
        """Note a finished reference."""
        self._known.pop((partition, identifier), None)  # the newest are last
        self._known[partition, identifier] = bytes.fromhex(fingerprint)
        while len(self._known) > self._most:
            del self._known[next(iter(self._known))]

    def _read(self, partition: int, message: Any) -> None:
        if message.value() is None:
            self._known.pop((partition, message.key()), None)
            return
        self.add(partition, message.key(), json.loads(message.value())["fingerprint"])
