"""A running job on the terminal: amounts, speed, remaining time, and where the time goes."""

from __future__ import annotations

import math
import sys
import time

from tqdm import tqdm

from diar.jobs.progress.bottleneck import describe_loop, loop_shares
from diar.jobs.progress.counters import Counters, Totals
from diar.options.terminal import progress_stream
from diar.wording import counted, duration, times

_PLAIN_INTERVAL = 15.0  # seconds between lines without a terminal


class Display:
    """Shows the whole job: a bar with a line below it on a terminal, else a plain line now and then.

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
            terminal, before = progress_stream(), totals.bytes_before
            bar = tqdm(total=totals.bytes or 1, initial=before, bar_format=layout, position=0, file=terminal)
            self._lines = bar, tqdm(total=0, bar_format="{desc}", position=1, file=terminal)

    def show(self, done: Counters) -> None:
        """Update the bar, or print a line if the last one is old enough."""
        elapsed = time.monotonic() - self._start
        if self._lines is not None:
            bar, below = self._lines
            bar.n = min(self._totals.bytes_before + done.done_bytes(), self._totals.bytes)
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
    """Describe a running job in one line.

    `1,234 of 20,000 files · 12.3 h of audio · 85 × real time · ETA 0:03:12 · 2 failed · computing 93 %,
    waiting for decode 5 %, for writes 2 %`.

    Args:
        totals: of the job.
        done: by all ranks in this run.
        elapsed: seconds since it started to work.
    """
    parts = _describe_amounts(totals, done, elapsed), _describe_time(done)
    return " · ".join(part for part in parts if part)


def count_finished(totals: Totals, done: Counters) -> int:
    """Count the files that are done, in this run or before it."""
    return totals.files_before + done.skipped_files + done.files


def _describe_amounts(totals: Totals, done: Counters, elapsed: float) -> str:
    amounts = [
        f"{duration(done.audio_seconds)} of audio",
        f"{times(done.audio_seconds / max(elapsed, 1e-9))} real time",
    ]
    parts = [
        f"{count_finished(totals, done):,} of {counted(totals.files, 'file')}",
        *(amounts if done.audio_seconds else []),  # none before the end of the first forward pass
        _describe_remaining(totals, done, elapsed),
        f"{done.failed:,} failed",
    ]
    return " · ".join(parts)


def _describe_time(done: Counters) -> str:
    return describe_loop(loop_shares(done)) if done.working_seconds else ""


def _describe_remaining(totals: Totals, done: Counters, elapsed: float) -> str:
    """Return `ETA h:mm:ss` at the speed so far, `ETA ?` before any byte is done, else `finishing`."""
    remaining = totals.bytes - totals.bytes_before - done.done_bytes()
    if remaining <= 0:
        return "finishing"  # the last are written
    if not done.bytes:
        return "ETA ?"
    seconds = math.ceil(remaining * elapsed / done.bytes)
    return f"ETA {seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
