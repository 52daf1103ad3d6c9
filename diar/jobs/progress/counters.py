"""How far a run is: each rank writes its counters to a small file, rank 0 and `diar status` add them up."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, fields
from types import TracebackType
from typing import Any, TypeVar

from tqdm import tqdm

from diar import storage
from diar.jobs.progress.bottleneck import describe_loop, loop_shares
from diar.store.layout import Layout

T = TypeVar("T")

_LOCAL_INTERVAL, _REMOTE_INTERVAL = 1.0, 15.0  # seconds between writes; a remote store bills each
_PLAIN_INTERVAL = 15.0  # seconds between lines without a terminal


# What a recording goes through; rows are masks, intervals and activities made of the networks' outputs
STEPS = ("decode", "fbank", "segment", "embed", "rows", "write")


@dataclass
class Counters:
    """What one rank has done in this run; seconds of wall clock unless it says audio.

    The loop that feeds the device computes, waits for decoded audio or waits for writes. The steps are
    counted wherever they run: decoding and writing in several threads at once, so that all steps together may
    take longer than the run.

    Attributes:
        annotate: makes a context in which each timed step runs; a profiler names the steps by it.
    """

    files: int = 0
    failed: int = 0
    bytes: int = 0  # also of the part of a recording that is embedded so far
    skipped_files: int = 0  # published by an interrupted run
    skipped_bytes: int = 0
    audio_seconds: float = 0.0  # embedded so far, also of recordings that are not finished
    working_seconds: float = 0.0  # from the first claim to the last write
    compute_seconds: float = 0.0
    decode_wait_seconds: float = 0.0
    write_wait_seconds: float = 0.0
    decode_step: float = 0.0
    fbank_step: float = 0.0
    segment_step: float = 0.0
    embed_step: float = 0.0
    rows_step: float = 0.0
    write_step: float = 0.0

    @classmethod
    def of(cls, figures: Mapping[str, Any]) -> Counters:
        """The counters among `figures`, such as those of a rank in `extraction_stats.json`.

        Raises:
            KeyError: one is missing.
        """
        return cls(**{field.name: figures[field.name] for field in fields(cls)})

    def __post_init__(self) -> None:
        self._lock = threading.Lock()  # steps run in several threads
        self._running: dict[object, tuple[str, float]] = {}  # what is being timed: counter, start
        self.annotate: Callable[[str], AbstractContextManager[object]] = nullcontext

    @contextmanager
    def timing(self, name: str) -> Iterator[None]:
        """Add the time spent inside to the counter `name`."""
        timed = object()
        start = time.perf_counter()
        with self._lock:
            self._running[timed] = name, start
        try:
            with self.annotate(name):
                yield
        finally:
            with self._lock:
                del self._running[timed]
                setattr(self, name, getattr(self, name) + time.perf_counter() - start)

    def add(self, name: str, amount: float) -> None:
        """Add to a counter, from any thread."""
        with self._lock:
            setattr(self, name, getattr(self, name) + amount)

    def snapshot(self) -> dict[str, float]:
        """All counters by name as of now, so with what is being timed at this moment."""
        with self._lock:
            now, counted = time.perf_counter(), asdict(self)
            for name, start in self._running.values():
                counted[name] += now - start
        return counted

    def device_seconds(self) -> float:
        """Seconds that the device has computed."""
        return self.fbank_step + self.segment_step + self.embed_step

    def steps(self) -> dict[str, float]:
        """Seconds by step: decode, fbank, segment, embed, rows, write."""
        return {name: getattr(self, f"{name}_step") for name in STEPS}

    def timed(self, name: str, items: Iterable[T]) -> Iterator[T]:
        """Pass `items` on, adding the time spent waiting for them to the counter `name`."""
        iterator = iter(items)
        while True:
            with self.timing(name):
                try:
                    item = next(iterator)
                except StopIteration:
                    return
            yield item

    def __add__(self, other: Counters) -> Counters:
        return Counters(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Counters)))

    def __sub__(self, other: Counters) -> Counters:
        return Counters(*(getattr(self, f.name) - getattr(other, f.name) for f in fields(Counters)))


@dataclass(frozen=True)
class Totals:
    """The whole job, as it was when this run started."""

    files: int
    bytes: int
    files_before: int  # in shards that were finished already
    bytes_before: int


class ProgressReporter:
    """Writes this rank's counters about once a second; on rank 0 also shows the sum of all ranks.

    Args:
        layout: of the output.
        run_id: tells this run's files from an earlier one's.
        rank: of this process.
        world_size: number of ranks.
        totals: of the job.
        counters: of this rank, changed elsewhere.
        started: when this rank began to work, be it before it died and was started again; seconds since the
            epoch.
    """

    def __init__(
        self,
        layout: Layout,
        run_id: str,
        rank: int,
        world_size: int,
        totals: Totals,
        counters: Counters,
        started: float,
    ) -> None:
        self._layout, self._rank, self._world_size = layout, rank, world_size
        self._totals, self._counters = totals, counters
        self._identity = {
            "run_id": run_id,
            "rank": rank,
            "world_size": world_size,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "started": started,
            "totals": asdict(totals),
        }
        self._warned = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="progress", daemon=True)
        self._display = Display(totals, time.time() - started) if rank == 0 else None

    def __enter__(self) -> ProgressReporter:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._tick()
        if self._display:
            self._display.close()

    def _run(self) -> None:
        local = storage.local_path(self._layout.root) is not None
        while not self._stop.wait(_LOCAL_INTERVAL if local else _REMOTE_INTERVAL):
            self._tick()

    def _tick(self) -> None:
        record = {**self._identity, "updated": time.time(), "counters": self._counters.snapshot()}
        try:
            storage.write_bytes_atomic(self._layout.progress(self._rank), json.dumps(record).encode())
            if self._display:
                self._display.show(sum_counters(read_ranks(self._layout)))
        except OSError as error:  # a full disk, say: the work itself will tell, progress must not end it
            if not self._warned:
                print(f"warning: progress cannot be written: {error}", file=sys.stderr, flush=True)
            self._warned = True


def read_ranks(layout: Layout) -> list[dict[str, Any]]:
    """The records of the newest run's ranks, by rank; empty before the first."""
    folder = storage.join(layout.private, "progress")
    names = sorted(name for name in storage.list_names(folder) if name.endswith(".json"))
    records = [json.loads(storage.read_bytes(storage.join(folder, name))) for name in names]
    if not records:
        return []
    newest = max(records, key=lambda record: record["started"])
    return [record for record in records if record["run_id"] == newest["run_id"]]


def sum_counters(records: list[dict[str, Any]]) -> Counters:
    """Counters of all ranks together."""
    return sum((Counters(**record["counters"]) for record in records), Counters())


class Display:
    """The whole job: on a terminal a bar and below it where the time goes, else a plain line now and then.

    Args:
        totals: of the job.
        elapsed: seconds since it started to work.
    """

    def __init__(self, totals: Totals, elapsed: float = 0.0) -> None:
        self._totals = totals
        self._last_line = time.monotonic()
        self._start = self._last_line - elapsed
        self._lines: tuple[tqdm, tqdm] | None = None
        if sys.stderr.isatty():
            layout = "{percentage:3.0f}%|{bar:20}| {desc}"
            bar = tqdm(total=totals.bytes or 1, initial=totals.bytes_before, bar_format=layout, position=0)
            self._lines = bar, tqdm(total=0, bar_format="{desc}", position=1)

    def show(self, done: Counters) -> None:
        """Update the bar, or print a line if the last one is old enough."""
        elapsed = time.monotonic() - self._start
        if self._lines is not None:
            bar, below = self._lines
            bar.n = min(self._totals.bytes_before + done.skipped_bytes + done.bytes, self._totals.bytes)
            bar.set_description_str(_describe_amounts(self._totals, done, elapsed))
            below.set_description_str(f"     {_describe_time(done)}")
        elif time.monotonic() - self._last_line >= _PLAIN_INTERVAL:
            self._last_line = time.monotonic()
            print(describe(self._totals, done, elapsed), file=sys.stderr, flush=True)

    def close(self) -> None:
        """Leave the last state on the screen."""
        for line in self._lines or ():
            line.close()


def describe(totals: Totals, done: Counters, elapsed: float) -> str:
    """A line about a running job.

    `1,234/20,000 files · 12.30 h audio · 85 × real time · ETA 0:03:12 · 2 failed · computing 93 %, waiting
    for decode 5 %, for writes 2 %`.

    Args:
        totals: of the job.
        done: by all ranks in this run.
        elapsed: seconds since it started to work.
    """
    parts = _describe_amounts(totals, done, elapsed), _describe_time(done)
    return " · ".join(part for part in parts if part)


def _describe_amounts(totals: Totals, done: Counters, elapsed: float) -> str:
    parts = [
        f"{totals.files_before + done.skipped_files + done.files:,}/{totals.files:,} files",
        f"{done.audio_seconds / 3600:.2f} h audio",
        f"{done.audio_seconds / max(elapsed, 1e-9):.0f} × real time",
        f"ETA {_eta(totals, done, elapsed)}",
        f"{done.failed} failed",
    ]
    return " · ".join(parts)


def _describe_time(done: Counters) -> str:
    return describe_loop(loop_shares(asdict(done))) if done.working_seconds else ""


def _eta(totals: Totals, done: Counters, elapsed: float) -> str:
    if not done.bytes:
        return "?"
    remaining = max(0, totals.bytes - totals.bytes_before - done.skipped_bytes - done.bytes)
    seconds = round(remaining * elapsed / done.bytes)
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
