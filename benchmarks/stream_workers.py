"""Who works and reads in `stream_faults.py`: workers that are started again, a slow reader."""

from __future__ import annotations

import argparse
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
from kafka_brokers import Broker, start_stream, stop

PARTITIONS = 6


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
