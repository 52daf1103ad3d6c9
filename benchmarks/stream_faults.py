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
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import soundfile as sf
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Producer, TopicPartition
from kafka_brokers import DURABLE, Broker, broker, read_topic, send_all, start_stream, stop, wait_ready

from diar.connectors.kafka.errors import StreamError
from diar.connectors.kafka.messages.outgoing import Outgoing, audio_headers
from diar.connectors.kafka.messages.schemas import REFERENCE
from diar.connectors.kafka.producing import Sender

RATE, BLOCK = 16_000, 1024
PARTITIONS = 6
_LONGEST = 14_400.0  # seconds
_PACE = 4.0  # of live streams
_TWICE, _POISON = 20, 25  # every so many references
_LARGE = 9_000_000  # bytes
SENDING = threading.Event()  # live streams are sent
SENDING.set()


@dataclass
class Counts:
    """What was sent, and which faults were made."""

    references: set[bytes] = field(default_factory=set)
    poison: int = 0
    kills: int = 0
    broker_kills: int = 0
    refused: str = "was not tried"
    most_memory: float = 0.0  # MiB of a worker with its processes


class Workers(threading.Thread):
    """Workers that are started again when they have died, as by an orchestrator."""

    def __init__(self, calls: list[tuple[Any, ...]], folder: Path) -> None:
        super().__init__(daemon=True)
        self._calls, self._folder = calls, folder
        self.logs = [folder / f"worker-{number}.log" for number in range(len(calls))]
        self.processes = [self._start(number) for number in range(len(calls))]
        self.restarts = 0
        self.most_memory = 0.0
        self.stopped = threading.Event()

    def run(self) -> None:
        while not self.stopped.wait(0.5):
            for number, process in enumerate(self.processes):
                if process.poll() is not None:
                    self.restarts += 1
                    self.processes[number] = self._start(number)
                else:
                    self.most_memory = max(self.most_memory, memory(process.pid))

    def finish(self) -> list[int]:
        """End all by SIGTERM; return their exit codes."""
        self.stopped.set()
        self.join()
        return [stop(process) for process in self.processes]

    def _start(self, number: int) -> Any:
        return start_stream("work", *self._calls[number], log=self.logs[number])


def memory(pid: int) -> float:
    """Return the MiB of a process and its children; 0 where it has just ended."""
    try:
        one = psutil.Process(pid)
        return sum(each.memory_info().rss for each in [one, *one.children(recursive=True)]) / 2**20
    except psutil.NoSuchProcess:
        return 0.0


class SlowReader(threading.Thread):
    """Reads committed results, and sleeps after each."""

    def __init__(self, address: str) -> None:
        super().__init__(daemon=True)
        settings = {
            "bootstrap.servers": address,
            "group.id": "slow",
            "enable.auto.commit": False,
            "log_level": 0,
        }
        self._consumer = Consumer({**settings, "isolation.level": "read_committed"})
        self._consumer.assign(
            [TopicPartition("diar.results", one, OFFSET_BEGINNING) for one in range(PARTITIONS)]
        )
        self.seen: Counter[bytes] = Counter()
        self.last = time.monotonic()
        self.stopped = threading.Event()

    def run(self) -> None:
        while not self.stopped.is_set():
            message = self._consumer.poll(0.5)
            if message is not None and message.error() is None:
                self.seen[message.key()] += 1
                self.last = time.monotonic()
                time.sleep(0.002)
        self._consumer.close()


def recordings(folder: Path) -> list[Path]:
    """Write a few recordings of 1.2 s, and one file that is none."""
    generator = np.random.default_rng(0)
    made = []
    for number in range(4):
        seconds = np.arange(round(1.2 * RATE)) / RATE
        tone = 0.2 * np.sin(2 * np.pi * (110 + 30 * number) * seconds)
        path = folder / f"{number}.wav"
        sf.write(path, tone + 0.01 * generator.standard_normal(len(seconds)), RATE)
        made.append(path)
    (folder / "broken.wav").write_bytes(b"this is no audio" * 100)
    return made


def send_references(address: str, count: int, folder: Path, sent: Counts) -> None:
    """Send all references, copies and poison."""
    files, messages = recordings(folder), []
    for number in range(count):
        key = f"job-{number:06d}".encode()
        audio = files[number % len(files)]
        if number % _POISON == _POISON - 1:
            sent.poison += 1
            audio = folder / "broken.wav"
            if number % 2:
                messages.append((key, b"{no JSON", {}))
                continue
        else:
            sent.references.add(key)
        value = json.dumps({"schema": REFERENCE, "id": key.decode(), "audio": str(audio)}).encode()
        again = number % _TWICE == 0 and audio.name != "broken.wav"
        messages += [(key, value, {})] * (2 if again else 1)
    copies = [one for one in messages if messages.count(one) > 1] if count <= 2000 else []
    send_all(address, "diar.references", [*messages, *copies])  # once more, long after the first


def send_large(address: str, sent: Counts) -> None:
    """Try a message of 9 MB by our producer, then send it by a foreign one."""
    common = {"bootstrap.servers": address, "message.max.bytes": 2 * _LARGE}
    try:
        Sender(common, 1_000_000).send(
            Outgoing("diar.references", b"large", b"x" * _LARGE), "use a reference"
        )
    except StreamError:
        sent.refused = "refused"
    foreign = Producer(common)
    failed: list[Any] = []
    foreign.produce(
        "diar.references", b"x" * _LARGE, b"large", on_delivery=lambda error, _: failed.append(error)
    )
    left = foreign.flush(120)
    sent.poison += not left and failed == [None]  # else the broker has refused it, too


def take_back(address: str) -> None:
    """Begin a transaction on the results, and take it back."""
    producer = Producer({"bootstrap.servers": address, "transactional.id": "foreign"})
    producer.init_transactions(30)
    producer.begin_transaction()
    for number in range(100):
        producer.produce("diar.results", b'{"taken": "back"}', f"aborted-{number}")
    producer.flush(30)
    producer.abort_transaction(30)


def send_streams(address: str, streams: int, audio: np.ndarray) -> list[threading.Thread]:
    """Begin to send live streams, each by a thread of its own."""
    data = (np.clip(audio, -1, 1) * 32_767).astype("<i2").tobytes()

    def send(name: str) -> None:
        form = {"format": "pcm_s16le", "rate": RATE, "channels": 1}
        settings = {"bootstrap.servers": address, "enable.idempotence": True, "partitioner": "murmur2_random"}
        producer = Producer({**settings, "log_level": 0})
        blocks = [data[at : at + 2 * BLOCK] for at in range(0, len(data), 2 * BLOCK)]
        for number, block in enumerate([*blocks, b""]):
            SENDING.wait()
            headers = list(audio_headers(form, number, end=not block).items())
            producer.produce("diar.audio", block, name, headers=headers)
            producer.poll(BLOCK / RATE / _PACE)
        producer.flush(120)

    threads = [threading.Thread(target=send, args=(f"stream-{one}",), daemon=True) for one in range(streams)]
    for one in threads:
        one.start()
    return threads


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


def calls(options: argparse.Namespace, one: Broker, folder: Path) -> list[tuple[Any, ...]]:
    """Return the arguments of all workers: of references, then one of audio."""
    where = ("--brokers", one.address, "--create_topics", PARTITIONS, "--device", "cpu")
    if options.networks == "tiny":
        where = (*where, "--model", tiny_encoder(folder / "tiny"))
    made: list[tuple[Any, ...]] = []
    for number in range(options.workers):
        own = ",".join(map(str, range(number, PARTITIONS, options.workers)))
        place = ("--output_dir", folder / "out", "--partitions", own, "--backoff", 0.5)
        made.append(("references", *where, *place, "--batch", options.batch))
    if options.streams:
        every = ",".join(map(str, range(PARTITIONS)))
        made.append(("audio", *where, "--partitions", every, "--checkpoint_seconds", 5))
    return made


def tiny_encoder(folder: Path) -> Path:
    """Write a very small CAM++ of random weights."""
    import torch
    import yaml

    from diar.models.encoders.campplus import CAMPPlus

    torch.manual_seed(0)
    folder.mkdir(parents=True)
    arguments = {"feat_dim": 16, "embed_dim": 16, "growth_rate": 4, "init_channels": 16}
    torch.save(CAMPPlus(**arguments).state_dict(), folder / "avg_model.pt")
    front_end = {"resample_rate": 16000, "fbank_args": {"num_mel_bins": 16}}
    content = {"model": "CAMPPlus", "model_args": arguments, "dataset_args": front_end}
    (folder / "config.yaml").write_text(yaml.safe_dump(content))
    return folder


def talk(file: Path | None, seconds: float) -> np.ndarray:
    """Return samples of a file, or of bursts of noise."""
    if file is None:
        noise = 0.2 * np.random.default_rng(1).standard_normal(round(seconds * RATE))
        burst: np.ndarray = noise * (np.arange(len(noise)) // RATE % 3 != 0)
        return burst
    samples, rate = sf.read(file, dtype="float32", always_2d=True)
    if rate != RATE:
        raise SystemExit(f"{file}: {RATE} Hz is needed")
    mono = samples.mean(axis=1)
    return np.tile(mono, 1 + round(seconds * RATE) // len(mono))[: round(seconds * RATE)]


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
