"""Read changed files and note what must not happen: an error that is not ours, a hang, much memory."""

from __future__ import annotations

import contextlib
import io
import random
import resource
import signal
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from diar.errors import DiarError
from tests.fuzz.mutate import mutated

SECONDS, MEGABYTES = 10.0, 700  # of a case at most; memory that a case may add to the peak

Mutator = Callable[[bytes, random.Random], bytes]


@dataclass(frozen=True)
class Target:
    """One kind of file, and what reads it; raising DiarError is a proper answer."""

    name: str
    seeds: Sequence[bytes]
    file: str  # its name
    read: Callable[[Path], object]
    change: Mutator = mutated
    share: float = 1.0  # of the cases that a cheap target gets


@dataclass
class Outcome:
    """What became of the cases of a target."""

    name: str
    cases: int = 0
    refused: int = 0
    slowest: float = 0.0  # seconds
    findings: list[str] = field(default_factory=list)


class Hang(BaseException):
    """A case takes too long."""


def fuzz(target: Target, folder: Path, cases: int, seed: int, until: float = float("inf")) -> Outcome:
    """Read so many changed files times the target's share, or as many as there is time for.

    Args:
        target: what is changed and read.
        folder: where its files go.
        cases: of a target whose share is 1.
        seed: of the changes, with the number of the case.
        until: the end, by time.monotonic.
    """
    found, path = Outcome(target.name), folder / target.file
    for number in range(max(1, round(cases * target.share))):
        if time.monotonic() > until:
            break
        chance = random.Random(f"{target.name} {seed} {number}")
        path.write_bytes(target.change(chance.choice(target.seeds), chance))
        _try(target, path, found, f"{target.name}: seed {seed}, case {number}")
    return found


def _try(target: Target, path: Path, found: Outcome, case: str) -> None:
    peak, started = _peak(), time.monotonic()
    found.cases += 1
    try:
        with _alarm(), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            target.read(path)
    except DiarError as error:
        found.refused += 1
        if len(str(error)) > 4000:
            found.findings.append(f"{case}: a message of {len(str(error)):,} characters")
    except (Exception, Hang) as error:
        where = "".join(traceback.format_exception(error)[-3:])
        found.findings.append(f"{case}: {type(error).__name__}: {str(error)[:200]}\n{where}")
    found.slowest = max(found.slowest, time.monotonic() - started)
    if _peak() - peak > MEGABYTES:
        found.findings.append(f"{case}: {_peak() - peak:.0f} MB")


@contextlib.contextmanager
def _alarm() -> Iterator[None]:
    def ring(*_: object) -> None:
        raise Hang(f"over {SECONDS:g} s of computing")

    before = signal.signal(signal.SIGVTALRM, ring)
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)  # of this process: other load does not count
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _peak() -> float:
    """Return the peak of memory, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
