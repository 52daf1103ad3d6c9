"""How late events of live streams are, by way of Kafka: paced producers → broker → worker → reader.

    python benchmarks/stream_live.py FILE.wav [FILE.wav …] [--streams 4] [--seconds 60] [--brokers noida-db …]

Each stream is a file, in messages of 1024 samples at the pace of a clock, as a microphone sends them. One
worker (`diar stream work audio`), one reader of committed messages. Two delays of each event:

- heard: from the moment that the last sample was sent which the event needed (`time`) to the reader;
- turn: of `turn.started`, from the moment that the turn's first sample was sent; the hop of half a second and
  the doubt about a voice are in it.

Both while the stream goes on. `end`: from its last sample to `session.ended`, with all that is told before;
all streams end within half a second. The bar is 1 s for the 95th percentile of the first.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import soundfile as sf
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition
from kafka_brokers import DURABLE, GROUPS, Broker, broker, start_stream, stop, wait_ready

from diar.connectors.kafka.messages.outgoing import audio_headers

BLOCK = 1024
BAR = 1.0  # seconds
_TAIL = 30.0  # seconds to wait for the last events


class Microphone(threading.Thread):
    """Sends one stream, and remembers when each second was sent."""

    def __init__(self, address: str, name: str, samples: np.ndarray, rate: int, begin: float) -> None:
        super().__init__(daemon=True)
        self.name, self.rate, self._begin = name, rate, begin
        self._data = (np.clip(samples, -1, 1) * 32_767).astype("<i2").tobytes()
        settings = {"bootstrap.servers": address, "linger.ms": 5, "partitioner": "murmur2_random"}
        self._producer = Producer(settings)
        self.sent: list[float] = []  # of each block, seconds since the epoch

    def run(self) -> None:
        form = {"format": "pcm_s16le", "rate": self.rate, "channels": 1}
        blocks = [self._data[at : at + 2 * BLOCK] for at in range(0, len(self._data), 2 * BLOCK)]
        for number, block in enumerate([*blocks, b""]):
            due = self._begin + (number + 1) * BLOCK / self.rate
            time.sleep(max(0.0, due - time.time()))
            headers = list(audio_headers(form, number, end=not block).items())
            self._producer.produce("diar.audio", block, self.name, headers=headers)
            self._producer.poll(0)
            self.sent.append(time.time())
        self._producer.flush(30)

    def sent_at(self, second: float) -> float:
        """Return when the sample at a second was sent."""
        block = max(0, int(np.ceil(second * self.rate / BLOCK)) - 1)
        return self.sent[min(block, len(self.sent) - 1)]


class Reader(threading.Thread):
    """Reads events as they are committed."""

    def __init__(self, address: str, partitions: int) -> None:
        super().__init__(daemon=True)
        settings = {"bootstrap.servers": address, "group.id": "reader", "enable.auto.commit": False}
        self._consumer = Consumer({**settings, "isolation.level": "read_committed", "fetch.wait.max.ms": 50})
        places = [TopicPartition("diar.events", one, OFFSET_BEGINNING) for one in range(partitions)]
        self._consumer.assign(places)
        self.found: list[tuple[float, str, dict[str, Any]]] = []
        self.ended = 0
        self.stopped = threading.Event()

    def run(self) -> None:
        while not self.stopped.is_set():
            message = self._consumer.poll(0.1)
            if message is not None and message.error() is None:
                event = json.loads(message.value())
                self.found.append((time.time(), message.key().decode(), event))
                self.ended += event["type"] == "session.ended"
        self._consumer.close()


def measure(one: Broker, kind: str, files: list[Path], options: argparse.Namespace, folder: Path) -> str:
    """Return the row of one broker."""
    log = folder / "worker.log"
    delivery = ("--delivery", "at_least_once") if kind == GROUPS else ()
    where = ("--brokers", one.address, "--create_topics", options.streams)
    partitions = ("--partitions", ",".join(map(str, range(options.streams))))
    worker = start_stream("work", "audio", *where, *partitions, *delivery, log=log)
    try:
        wait_ready(worker, log)
        reader = Reader(one.address, options.streams)
        reader.start()
        begin = time.time() + 1
        microphones = []
        for number in range(options.streams):
            samples, rate = sf.read(files[number % len(files)], dtype="float32", always_2d=True)
            mono = np.tile(samples.mean(axis=1), 1 + int(options.seconds * rate / len(samples)))
            mono = mono[: round(options.seconds * rate)]
            # Not all at one moment, as in life
            start = begin + number * 0.5 / options.streams
            microphones.append(Microphone(one.address, f"microphone-{number}", mono, rate, start))
        process = psutil.Process(worker.pid)
        before = sum(process.cpu_times()[:2])
        for microphone in microphones:
            microphone.start()
        for microphone in microphones:
            microphone.join()
        until = time.monotonic() + _TAIL
        while reader.ended < options.streams and time.monotonic() < until:
            time.sleep(0.1)
        cores = (sum(process.cpu_times()[:2]) - before) / options.seconds
        reader.stopped.set()
        reader.join()
        stop(worker)
    finally:
        worker.kill()
    return row(kind, reader, {one.name: one for one in microphones}, cores, options)


def row(
    kind: str, reader: Reader, microphones: dict[str, Microphone], cores: float, options: argparse.Namespace
) -> str:
    """Return a line of the table."""
    heard, turn, end = [], [], [np.nan]
    for arrived, name, event in reader.found:
        if event["type"] == "session.ended":
            end.append(arrived - microphones[name].sent[-1])
        if event["time"] >= options.seconds - 0.001:
            continue
        heard.append(arrived - microphones[name].sent_at(event["time"]))
        if event["type"] == "turn.started" and event["delay"] < 5:
            turn.append(arrived - microphones[name].sent_at(event["turn"]["start"]))
    values = [f"{np.percentile(some, share):.2f}" for some in (heard, turn) for share in (50, 95, 100)]
    bar = "yes" if np.percentile(heard, 95) <= BAR else "NO"
    ended = f"{reader.ended} of {options.streams}"
    last = f"{np.nanmedian(end):.2f} | {np.nanmax(end):.2f}"
    return f"| {kind} | {len(heard):,} | {' | '.join(values)} | {last} | {cores:.2f} | {ended} | {bar} |"


def main() -> None:
    """Print one Markdown table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--streams", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--brokers", nargs="+", default=[DURABLE, GROUPS], choices=[DURABLE, GROUPS])
    options = parser.parse_args()
    print(f"{options.streams} streams of {options.seconds:g} s, {BLOCK} samples a message; seconds\n")
    columns = "heard p50 | p95 | max | turn p50 | p95 | max | end p50 | max | worker, cores | ended | ≤ 1 s"
    print(f"| broker | events | {columns} |")
    print(f"{'|---' * 13}|")
    for kind in options.brokers:
        with tempfile.TemporaryDirectory() as folder, broker(kind, Path(folder)) as one:
            print(measure(one, kind, options.files, options, Path(folder)), flush=True)


if __name__ == "__main__":
    main()
