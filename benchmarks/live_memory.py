"""What live streams of many hours keep: memory, and the size of what grows, part of the time after part.

    OMP_NUM_THREADS=1 python benchmarks/live_memory.py FILE.wav [FILE.wav …] [--hours 24] [--minutes 15]

Streams (`--streams`, 1) hear the files one after the other, again and again, faster than real time, until
they have heard `--hours` each, or `--minutes` of this machine's time are over. All that `diar serve` keeps
of a session is in this one process: the stream in the engine of a computing process, a checkpoint every 5 s,
the events that readers may ask for, turns and names; there are no sockets. A line of the Markdown table
comes after each `--every` hours of the streams:

- resident, its own: MB of this process, with the networks; and without what it shares with other processes.
- heap, free: MB that the C library has given out, and that it keeps for later (glibc only).
- of Python: MB of what Python has allocated, if `--trace` is given, which makes it slower.
- tracks, state, ms: kB of the tracks of chunks, of the rest of a checkpoint, and milliseconds of CPU that it
  takes; this and what follows is of the first stream.
- log, turns: kB of the events that are kept for readers; turns.
- numbers, speakers: that were given so far, and that are known now.
- events: since the line before.
- RTF: seconds of CPU a second of audio of each stream since then.

Below it stands how much the resident memory grew an hour and a stream, by a straight line through all lines
after the first quarter, as in benchmarks/live.py.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import sys
import time
import tracemalloc
from collections.abc import Iterator
from itertools import cycle

import numpy as np
import psutil
import soundfile as sf
import soxr

from diar.online.models import LiveModels
from diar.online.settings import SAMPLE_RATE, LiveSettings
from diar.service.computing.engine import ServiceEngine
from diar.service.computing.past import Given, Past
from diar.service.config import ServeConfig
from diar.service.sessions.board import Board
from diar.service.sessions.event_log import Entry, EventLog

BLOCK = SAMPLE_RATE  # samples that are fed at once
COLUMNS = (
    *("hours", "resident, MB", "its own, MB", "heap, MB", "free, MB", "of Python, MB"),
    *("tracks, kB", "state, kB", "ms", "log, kB", "turns", "numbers", "speakers", "events", "RTF"),
)


def blocks(files: list[str]) -> Iterator[np.ndarray]:
    """Yield the files' samples at 16 kHz, for ever."""
    for file in cycle(files):
        samples, rate = sf.read(file, dtype="float32", always_2d=True)
        audio = soxr.resample(samples.mean(axis=1), rate, SAMPLE_RATE)
        for start in range(0, len(audio), BLOCK):
            yield audio[start : start + BLOCK]


class Kept:
    """A stream, and what the service's process keeps of its session.

    Attributes:
        key: of the stream.
        events: that were told.
    """

    def __init__(self, engine: ServiceEngine, key: str) -> None:
        settings = LiveSettings()
        engine.begin(key, settings)
        self._engine, self.key, self.events = engine, key, 0
        self.past, self.board, self.log = Past(settings, None), Board(), EventLog()

    def feed(self, block: np.ndarray) -> None:
        """Feed samples; keep what a session keeps."""
        events = self._engine.feed({self.key: block})[self.key]
        self.events += len(events)
        self.past.note(Given("feed", (block,)), events)
        for event in events:
            self.board.take(event)
            self.log.append(Entry(event.seq, event.type, event.to_json()))
        if self.past.due:
            self.past.begin_anew(self._engine.checkpoint(self.key, self.past.known_chunks))


class Heap(ctypes.Structure):
    """`struct mallinfo2` of glibc."""

    names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
    _fields_ = [(name, ctypes.c_size_t) for name in names.split()]


def heap() -> tuple[str, str]:
    """Return MB that the C library has given out and that it keeps; nothing where it does not say."""
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    if not hasattr(library, "mallinfo2"):
        return "", ""
    library.mallinfo2.restype = Heap
    found = library.mallinfo2()
    return f"{(found.uordblks + found.hblkhd) / 1e6:.1f}", f"{found.fordblks / 1e6:.1f}"


class Measured:
    """The lines of the table."""

    def __init__(self) -> None:
        self.hours: list[float] = []
        self.resident: list[float] = []  # MB
        self._cpu, self._events = time.process_time(), 0

    def line(self, engine: ServiceEngine, streams: list[Kept]) -> str:
        """Measure, and return a line."""
        cpu, first = time.process_time() - self._cpu, streams[0]
        gc.collect()
        began = time.process_time()
        made = engine.checkpoint(first.key, frozenset())
        took = time.process_time() - began
        stream, memory = engine[first.key], psutil.Process().memory_full_info()
        hours = stream.time / 3600
        heard = 3600 * (hours - (self.hours[-1] if self.hours else 0.0)) * len(streams)
        self.hours.append(hours)
        self.resident.append(memory.rss / 1e6)
        traced = f"{tracemalloc.get_traced_memory()[0] / 1e6:.1f}" if tracemalloc.is_tracing() else ""
        log = sum(len(entry.text) for entry in first.log.after(0))
        speakers = stream._progress.speakers
        told, self._events, self._cpu = first.events - self._events, first.events, time.process_time()
        cells = [f"{hours:.2f}", f"{self.resident[-1]:.1f}", f"{memory.uss / 1e6:.1f}", *heap(), traced]
        cells += [f"{sum(map(len, made.chunks.values())) / 1e3:.0f}", f"{len(made.state) / 1e3:.0f}"]
        cells += [f"{1e3 * took:.0f}", f"{log / 1e3:.0f}", f"{len(stream.turns)}"]
        cells += [f"{speakers.next_number - 1}", f"{len(speakers.rows)}", f"{told}", f"{cpu / heard:.3f}"]
        return f"| {' | '.join(cells)} |"

    def slope(self, streams: int) -> float:
        """Return by how many MB the memory grew an hour and a stream; NaN with fewer than three lines."""
        later = [row for row, hours in enumerate(self.hours) if hours >= self.hours[-1] / 4]
        if len(later) < 3:
            return float("nan")
        hours, resident = np.array(self.hours)[later], np.array(self.resident)[later]
        return float(np.polyfit(hours, resident, 1)[0]) / streams


def arguments() -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="+")
    parser.add_argument("--streams", type=int, default=1, help="at once; they do not hear the same")
    parser.add_argument("--hours", type=float, default=24.0, help="of each stream")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="of this machine")
    parser.add_argument("--every", type=float, default=1.0, help="hours of the stream a line")
    parser.add_argument("--trace", action="store_true", help="what Python allocates, too")
    return parser.parse_args()


def main() -> None:
    """Print one table."""
    given, began = arguments(), time.monotonic()
    config = ServeConfig(insecure=True, device="cpu")
    engine = ServiceEngine(LiveModels.open(device="cpu"), config)
    streams = [Kept(engine, str(number)) for number in range(given.streams)]
    audio = [
        blocks(given.files[n % len(given.files) :] + given.files[: n % len(given.files)])
        for n in range(given.streams)
    ]
    if given.trace:
        tracemalloc.start()
    measured = Measured()
    print(f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|", flush=True)
    while (hours := engine["0"].time / 3600) < given.hours and time.monotonic() < began + 60 * given.minutes:
        for stream, own in zip(streams, audio, strict=True):
            stream.feed(next(own))
        if hours >= (given.every * len(measured.hours) or 1 / 60):
            print(measured.line(engine, streams), flush=True)
    if engine["0"].time > 3600 * (measured.hours or [0.0])[-1] + 60:
        print(measured.line(engine, streams), flush=True)
    print(f"\nResident memory grew by {measured.slope(len(streams)):.2f} MB an hour and a stream.")
    engine.shut_down()


if __name__ == "__main__":
    main()
