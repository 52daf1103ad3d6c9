"""The topics of one prefix: what they are called, and that they fit each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from diar.connectors.kafka.client import open_client
from diar.connectors.kafka.errors import StreamError

_PATIENCE = 30.0  # seconds for the broker's answer
_COMPACTED = frozenset(["done", "state"])


@dataclass(frozen=True)
class Topics:
    """Names of topics."""

    prefix: str

    def __getattr__(self, kind: str) -> str:
        """Return the topic of a kind, such as `results`."""
        if kind not in KINDS:
            raise AttributeError(kind)
        return f"{self.prefix}.{kind}"


# Those of a worker have equally many partitions: what follows from a message stays at its partition's number
OF_REFERENCES = ("references", "retries", "results", "done", "dead")
OF_AUDIO = ("audio", "events", "state", "dead")
KINDS = tuple(dict.fromkeys((*OF_REFERENCES, *OF_AUDIO)))


def settle_topics(
    settings: Mapping[str, Any], topics: Topics, kinds: tuple[str, ...], create: int | None, replication: int
) -> int:
    """Create the topics that are missing, check the others; return how many partitions they have.

    Args:
        settings: of the client.
        topics: their names.
        kinds: that are needed; the first one's number of partitions counts.
        create: partitions of topics that are missing; None = they are not created.
        replication: of topics that are created.

    Raises:
        StreamError: the broker does not answer, or topics are missing or do not fit each other.
    """
    admin = open_client(AdminClient, settings)
    found = _partitions(admin)
    names = [getattr(topics, kind) for kind in kinds]
    missing = [name for name in names if name not in found]
    if missing:
        if create is None:
            raise StreamError(
                f"topics are missing: {', '.join(missing)}; create them, or give `create_topics=PARTITIONS`"
            )
        first = found.get(names[0], create)
        _create(admin, topics, missing, first, replication)
        found = {**found, **dict.fromkeys(missing, first)}
    _check(names, found)
    return found[names[0]]


def _partitions(admin: AdminClient) -> dict[str, int]:
    try:
        listed = admin.list_topics(timeout=_PATIENCE).topics
    except KafkaException as error:
        raise StreamError(f"the broker does not answer: {reason(error)}; see `brokers`") from None
    return {name: len(topic.partitions) for name, topic in listed.items() if topic.error is None}


def _create(admin: AdminClient, topics: Topics, names: list[str], partitions: int, replication: int) -> None:
    compacted = {getattr(topics, kind) for kind in _COMPACTED}
    wanted = [
        NewTopic(name, partitions, replication, config={"cleanup.policy": "compact"})
        if name in compacted
        else NewTopic(name, partitions, replication)
        for name in names
    ]
    for name, done in admin.create_topics(wanted, request_timeout=_PATIENCE).items():
        try:
            done.result()
        except KafkaException as error:
            if error.args[0].name() != "TOPIC_ALREADY_EXISTS":  # another worker was faster
                raise StreamError(f"topic {name} cannot be created: {reason(error)}") from None


def _check(names: list[str], found: Mapping[str, int]) -> None:
    wanted = found[names[0]]
    odd = [f"{name} has {found[name]}" for name in names if found[name] != wanted]
    if odd:
        raise StreamError(
            f"{names[0]} has {wanted} partitions, {', '.join(odd)}: they need equally many, so that what "
            "follows from a message stays in order with it"
        )


def reason(error: KafkaException) -> str:
    """Return what a broker or its client says went wrong."""
    return str(error.args[0].str()) if error.args else str(error)
