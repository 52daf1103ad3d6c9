"""How much audio a second live streams bear, as fast as they can, driven by threads or by processes.

    OMP_NUM_THREADS=1 python benchmarks/live_drivers.py FILE.wav [FILE.wav …] [--drivers 2] [--seconds 30]

Each driver feeds two streams in blocks of a hop and finishes them. Prints one Markdown table. `py-spy record
--gil` of the same command says for which share of the time Python's lock is held.
"""

from __future__ import annotations

import argparse
import multiprocessing
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import soundfile as sf

from diar.online.engine import Engine
from diar.online.models import LiveModels
from diar.online.settings import SAMPLE_RATE

STREAMS = 2  # of a driver
HOP = SAMPLE_RATE // 2


def drive(engine: Engine, audio: list[np.ndarray]) -> None:
    """Feed streams of one driver to their ends."""
    streams = [(threading.get_ident(), number) for number in range(STREAMS)]
    for stream in streams:
        engine.open(stream)
    for at in range(0, len(audio[0]), HOP):
        for number, stream in enumerate(streams):
            engine.feed({stream: audio[number % len(audio)][at : at + HOP]})
    for stream in streams:
        engine.close(stream)


def of_process(audio: list[np.ndarray], ready: Any, go: Any) -> None:
    """Open networks of a process's own, wait for the others, drive."""
    engine = Engine(LiveModels.open(device="cpu"))
    drive(engine, [own[: 4 * SAMPLE_RATE] for own in audio])
    ready.release()
    go.wait()
    drive(engine, audio)
    engine.shut_down()


def by_threads(audio: list[np.ndarray], drivers: int) -> float:
    """Return the seconds that threads of one process take."""
    engine = Engine(LiveModels.open(device="cpu"))
    drive(engine, [own[: 4 * SAMPLE_RATE] for own in audio])
    threads = [threading.Thread(target=drive, args=(engine, audio)) for _ in range(drivers)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken = time.monotonic() - began
    engine.shut_down()
    return taken


def by_processes(audio: list[np.ndarray], drivers: int) -> float:
    """Return the seconds that processes take."""
    context = multiprocessing.get_context("spawn")
    ready, go = context.Semaphore(0), context.Event()
    processes = [context.Process(target=of_process, args=(audio, ready, go)) for _ in range(drivers)]
    for process in processes:
        process.start()
    for _ in processes:
        ready.acquire()
    began = time.monotonic()
    go.set()
    for process in processes:
        process.join()
    return time.monotonic() - began


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="+")
    parser.add_argument("--drivers", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=30.0, help="of each stream")
    given = parser.parse_args()
    samples = round(given.seconds * SAMPLE_RATE)
    audio = [sf.read(file, dtype="float32", stop=samples)[0] for file in given.files]
    ways: list[tuple[str, Callable[[list[np.ndarray], int], float], int]] = [
        ("one thread", by_threads, 1),
        (f"{given.drivers} threads", by_threads, given.drivers),
        (f"{given.drivers} processes", by_processes, given.drivers),
    ]
    print("| drivers | seconds of audio a second |\n|---|---|")
    for name, way, drivers in ways:
        print(f"| {name} | {drivers * STREAMS * given.seconds / way(audio, drivers):.1f} |", flush=True)


if __name__ == "__main__":
    main()
