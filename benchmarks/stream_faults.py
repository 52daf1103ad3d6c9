"""What is lost, seen twice or out of order when workers and the broker are killed: one Markdown table.

    python benchmarks/stream_faults.py [--jobs 300] [--kills 6] [--broker_kills 1] [--streams 4] [--workers 2]

On the durable broker (`noida-db`), workers with fixed partitions, started again when they die:

- references to a few tiny recordings, each under an id of its own; every 20th is sent twice, every 25th is
  poison (no JSON, or audio that is none); a reference of 9 MB comes from a foreign producer;
- kill -9 of a worker at random times, `--kills` times;
- kill -9 of the broker, `--broker_kills` times. It acknowledges messages before they are on its disk, and
  loses the last of them: workers and senders stand still (SIGSTOP) for `--settle` seconds before, wherever
  a transaction is;
- a transaction that another program begins on the result topic and takes back;
- live streams, sent at 4 times real time, whose worker is among those that are killed;
- a reader of committed messages that is slow: it sleeps after each.

Then all topics are read: results of each reference, dead letters, events of each stream. `--networks tiny`
(default) makes a very small encoder: the guarantees are what takes the time; `real` takes the default one.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaException
from kafka_brokers import DURABLE, Broker, broker, read_topic, wait_ready
from stream_load import SENDING, Counts, send_large, send_references, send_streams, take_back, talk
from stream_workers import SlowReader, Workers, calls

_LONGEST = 14_400.0  # seconds


def make_faults(one: Broker, workers: Workers, options: argparse.Namespace, sent: Counts) -> None:
    """Kill workers and the broker at random times, until that was done often enough."""
    chance = random.Random(options.seed)
    faults = ["worker"] * options.kills + ["broker"] * options.broker_kills
    chance.shuffle(faults)
    for turn, fault in enumerate(faults):
        time.sleep(chance.uniform(0.5, 1.5) * options.every)
        if fault == "broker":
            kill_broker(one, workers, chance, options.settle)
            sent.broker_kills += 1
        else:
            victim = workers.processes[turn % len(workers.processes)]
            if victim.poll() is None:
                victim.kill()
            sent.kills += 1


def kill_broker(one: Broker, workers: Workers, chance: random.Random, settle: float) -> None:
    """Kill the broker, and start it again; everybody stands still before, wherever a transaction is."""
    SENDING.clear()
    stopped = [process for process in workers.processes if process.poll() is None]
    for process in stopped:
        process.send_signal(signal.SIGSTOP)
    time.sleep(settle)
    one.kill()
    time.sleep(chance.uniform(0.2, 2))
    one.start()
    for process in stopped:
        process.send_signal(signal.SIGCONT)
    SENDING.set()


def wait_until_done(one: Broker, sent: Counts, streams: int) -> None:
    """Wait until all references have a result or a dead letter, and all streams have ended."""
    until, wanted = time.monotonic() + _LONGEST, len(sent.references)
    while time.monotonic() < until:
        results = {message.key() for message in read_topic(one.address, "diar.results")}
        dead = len(read_topic(one.address, "diar.dead"))
        ended = sum(b'"session.ended"' in m.value() for m in read_topic(one.address, "diar.events"))
        print(f"{len(results)} of {wanted} results, {dead} of {sent.poison} dead letters, "
              f"{ended} of {streams} streams", file=sys.stderr, flush=True)  # fmt: skip
        if len(results) >= wanted and dead >= sent.poison and ended >= streams:
            return
        time.sleep(5)


def table(
    one: Broker, sent: Counts, reader: SlowReader, workers: Workers, codes: list[int], streams: int
) -> None:
    """Print what is there now."""
    results = Counter(message.key() for message in read_topic(one.address, "diar.results"))
    dead = [message.key() for message in read_topic(one.address, "diar.dead")]
    events: dict[bytes, list[dict[str, Any]]] = {}
    for message in read_topic(one.address, "diar.events"):
        events.setdefault(message.key(), []).append(json.loads(message.value()))
    in_order = sum([e["seq"] for e in own] == list(range(1, len(own) + 1)) for own in events.values())
    alike = len({json.dumps(own) for own in events.values()})
    hidden = len(read_topic(one.address, "diar.results", committed=False)) - sum(results.values())
    rows = [
        ("references, each once", f"{len(sent.references):,}"),
        ("kill -9 of workers; of the broker", f"{sent.kills}; {sent.broker_kills}"),
        ("lost", len(sent.references - set(results))),
        ("seen twice by a reader of committed messages", sum(count > 1 for count in results.values())),
        (
            "of them by a slow one; missed by it",
            f"{sum(c > 1 for c in reader.seen.values())}; {len(set(results) - set(reader.seen))}",
        ),
        ("results that nobody asked for", len(set(results) - sent.references)),
        ("results of transactions taken back, hidden", hidden),
        (
            "poison; dead letters; dead letters that were no poison",
            f"{sent.poison}; {len(dead)}; {len(set(dead) & sent.references)}",
        ),
        ("9 MB at our producer", sent.refused),
        (
            "streams; events in order without gaps; different from each other",
            f"{streams}; {in_order}; {alike - 1}",
        ),
        ("workers started again; exit codes at SIGTERM", f"{workers.restarts}; {sorted(set(codes))}"),
        ("most memory of a worker, MiB", f"{workers.most_memory:.0f}"),
    ]
    print("| | |\n|---|---|")
    for name, value in rows:
        print(f"| {name} | {value} |")


def main() -> None:
    """Run it all; print one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--jobs", type=int, default=300)
    parser.add_argument("--kills", type=int, default=6)
    parser.add_argument("--broker_kills", type=int, default=1)
    parser.add_argument("--every", type=float, default=15, help="seconds between faults, about")
    parser.add_argument("--settle", type=float, default=1.0, help="seconds before the broker is killed")
    parser.add_argument("--workers", type=int, default=2, help="of references")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--streams", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=120, help="of each stream")
    parser.add_argument("--talk", type=Path, help="audio of the streams, 16 kHz")
    parser.add_argument("--networks", choices=["tiny", "real"], default="tiny")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    sent = Counts()
    with tempfile.TemporaryDirectory() as name, broker(DURABLE, Path(name) / "broker") as one:
        folder = Path(name)
        workers = Workers(calls(options, one, folder), folder)
        for process, log in zip(workers.processes, workers.logs, strict=True):
            wait_ready(process, log)
        workers.start()
        reader = SlowReader(one.address)
        reader.start()
        began = time.monotonic()
        send_references(one.address, options.jobs, folder, sent)
        send_large(one.address, sent)
        take_back(one.address)
        threads = send_streams(one.address, options.streams, talk(options.talk, options.seconds))
        make_faults(one, workers, options, sent)
        for thread in threads:
            thread.join()
        wait_until_done(one, sent, options.streams)
        while time.monotonic() - reader.last < 5:
            time.sleep(1)
        codes = workers.finish()
        reader.stopped.set()
        print(f"{time.monotonic() - began:.0f} s\n")
        table(one, sent, reader, workers, codes, options.streams)


if __name__ == "__main__":
    try:
        main()
    except KafkaException as error:
        raise SystemExit(f"the broker: {error}") from None
