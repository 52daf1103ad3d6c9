"""The figures of a run: amounts and seconds, counted by each rank, added up over ranks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, fields
from typing import Any, TypeVar

T = TypeVar("T")

# Each recording goes through these; rows are masks, intervals and activities made of the networks' outputs
STEPS = ("decode", "enhance", "fbank", "segment", "embed", "rows", "write")


@dataclass
class Counters:
    """What one rank, or several together, have done in this run; seconds of wall clock unless it says audio.

    A rank counts from several threads (`timing`, `add`); everybody else gets a `snapshot`, or sums and
    differences. As JSON the counters are `figures`; `of` reads them back.

    The loop that feeds the device computes, waits for decoded audio or waits for writes. Steps are counted
    wherever they run. Several threads decode and write at once, so the steps together may take longer than
    the run.

    Attributes:
        annotate: makes a context in which each timed step runs; a profiler names the steps by it.
        bytes_ahead: that this rank has read and not embedded yet; no figure, so sums and snapshots have none.
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
    enhance_step: float = 0.0
    fbank_step: float = 0.0
    segment_step: float = 0.0
    embed_step: float = 0.0
    rows_step: float = 0.0
    write_step: float = 0.0

    @classmethod
    def of(cls, figures: Mapping[str, Any]) -> Counters:
        """Return the counters among `figures`, which may hold more, as those in `extraction_stats.json` do.

        Raises:
            KeyError: one is missing.
        """
        figures = {"enhance_step": 0.0, **figures}  # which files of earlier versions lack
        return cls(**{field.name: figures[field.name] for field in fields(cls)})

    @classmethod
    def total(cls, several: Iterable[Counters]) -> Counters:
        """Add up the counters of several ranks."""
        return sum(several, cls())

    def __post_init__(self) -> None:
        self._lock = threading.Lock()  # steps run in several threads
        self._running: dict[object, tuple[str, float]] = {}  # what is being timed: counter, start
        self.bytes_ahead = 0
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

    def timed(self, name: str, items: Iterable[T]) -> Iterator[T]:
        """Pass `items` on; add the time spent waiting for them to the counter `name`."""
        iterator = iter(items)
        while True:
            with self.timing(name):
                try:
                    item = next(iterator)
                except StopIteration:
                    return
            yield item

    def add(self, name: str, amount: float) -> None:
        """Add to a counter, from any thread."""
        with self._lock:
            setattr(self, name, getattr(self, name) + amount)

    def snapshot(self) -> Counters:
        """Return the counters as of now, including the time of what is running at this moment."""
        with self._lock:
            now, figures = time.perf_counter(), self.figures()
            for name, start in self._running.values():
                figures[name] += now - start
        return Counters(**figures)

    def figures(self) -> dict[str, Any]:
        """Return the counters by name, for JSON."""
        return asdict(self)

    def steps(self) -> dict[str, float]:
        """Return seconds by step: decode, fbank, segment, embed, rows, write."""
        return {name: getattr(self, f"{name}_step") for name in STEPS}

    def device_seconds(self) -> float:
        """Return the seconds that the device has computed."""
        return self.fbank_step + self.segment_step + self.embed_step

    def read_bytes(self) -> int:
        """Return the bytes that are read: embedded, on the way, or published by an interrupted run."""
        return self.bytes + self.skipped_bytes + self.bytes_ahead

    def done_bytes(self) -> int:
        """Return the bytes that are embedded, or were published by an interrupted run."""
        return self.bytes + self.skipped_bytes

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
