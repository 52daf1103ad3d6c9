"""One disturbed extraction: its runs, what they published, and what is left at the end."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
from measure import ROOT

from diar.custody.verification.findings import LEFTOVER
from diar.custody.verification.run import verify
from diar.store.reader import TracksReader, load_index

LOOK = 0.05  # seconds
LONGEST = 900.0  # seconds of one run, after which it hangs
_RUNS = 5  # of the same command, in which it must be done
_NOT_SAID = "[0123456789"  # how lines begin that are progress, or warnings of torch


@dataclass
class Trial:
    """One disturbed extraction.

    Attributes:
        audio: the archive, which the fault may change.
        out: where stage 1 writes.
        options: of stage 1, besides.
        moments: random ones.
        room: bytes of half the output.
        codes: exit codes of the runs so far.
        told: what the first disturbed run printed last.
        injected: how often the fault was injected.
    """

    audio: Path
    out: Path
    options: list[str]
    moments: random.Random
    room: int = 0
    codes: list[int] = field(default_factory=list)
    told: str = ""
    injected: int = 1

    def call(self, *more: object) -> list[str]:
        """Return the command without the interpreter."""
        fixed = ["--input_dir", str(self.audio), "--output_dir", str(self.out), "--device", "cpu"]
        script = str(ROOT / "extract_embeddings_multigpu.py")
        return [script, *fixed, *self.options, *map(str, more)]

    def start(self, *more: object, before: tuple[str, ...] = (sys.executable,)) -> subprocess.Popen[str]:
        """Start stage 1 as a process group of its own, by what stands `before` the script."""
        call = [*before, *self.call(*more)]
        out = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(call, cwd=ROOT, start_new_session=True, **out)  # type: ignore[call-overload,no-any-return]

    def end(self, process: subprocess.Popen[str]) -> int:
        """Wait for a run; note its exit code and what it said last."""
        try:
            _, errors = process.communicate(timeout=LONGEST)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            _, errors = process.communicate()
            errors += "\nhung"
        lines = [line.strip() for line in errors.replace("\r", "\n").splitlines() if line.strip()]
        self.codes.append(process.returncode)
        self.told = self.told or next((line for line in reversed(lines) if line[0] not in _NOT_SAID), "")
        if "Traceback" in errors:
            self.told = f"TRACEBACK {self.told}"
            print(errors, file=sys.stderr)
        return int(process.returncode)

    def published(self) -> int:
        """Count what is published."""
        return sum(1 for _ in self.out.rglob("*.parquet"))

    def wait(self, process: subprocess.Popen[str], more: float = 1.5) -> None:
        """Wait until something is published, and a random time of up to `more` seconds."""
        before, deadline = self.published(), time.monotonic() + LONGEST
        while process.poll() is None and self.published() <= before and time.monotonic() < deadline:
            time.sleep(LOOK)
        time.sleep(self.moments.uniform(0, more))

    def finish(self, *more: object) -> None:
        """Run the same command until it is done."""
        for _ in range(_RUNS):
            if self.end(self.start(*more)) in (0, 3):
                return


def workers(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Return the workers of a launcher, without the process that hosts their store, which is the first."""
    with contextlib.suppress(psutil.NoSuchProcess):
        children = psutil.Process(process.pid).children() if process.poll() is None else []
        servers = [child for child in children if "forkserver" in " ".join(child.cmdline())]
        return [worker for server in servers for worker in server.children()[1:]]
    return []


def compare(whole: Path, out: Path) -> int:
    """Count the recordings of an undisturbed run that are missing or differ in a disturbed one."""
    wanted, found = load_index(str(whole)), load_index(str(out))
    status = dict(zip(found.recording_id, found.status, strict=True))
    readers = TracksReader(str(whole)), TracksReader(str(out))
    lost = 0
    for recording_id in wanted.recording_id:
        folder, slash, name = recording_id.rpartition("/")
        if f"{folder}{slash}damaged {name}" in status:
            continue  # it is another file now
        if status.get(recording_id) != "ok":
            lost += 1
            continue
        one, other = (reader.read(recording_id).tracks for reader in readers)
        same = len(one) == len(other) and np.array_equal(one.start, other.start)
        lost += not (same and np.allclose(one.embedding, other.embedding, atol=2e-3))
    return lost + found.unfinished


def count_damage(out: Path) -> int:
    """Count what `diar verify` finds damaged, and what killed runs have left."""
    (found,) = verify(str(out))
    return len(found.problems) + sum(note.kind == LEFTOVER for note in found.notes)
