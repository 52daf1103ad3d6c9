"""What each rank did and when: JSON lines, in files of limited size, for `diar status --report` and for grep.

A rank that is killed leaves no `stop`, which tells it from one that ended by itself.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import diar
from diar import storage
from diar.errors import explain
from diar.records import OK, RecordingRow
from diar.store.encryption.names import hidden, secret_of
from diar.store.layout import Layout

START, DONE, FAILED, RETRY, STOP = "start", "done", "failed", "retry", "stop"
MOST_BYTES = 16_000_000  # of a rank's file; then it becomes the earlier one, and that one goes
_TOLD = 300  # characters of a reason
_EARLIER = ".earlier"


class EventLog:
    """Appends a line an event to a rank's file; a context manager, which notes start and stop.

    Recordings of an encrypted output have their hidden names, and failures no reason, which may quote a path.
    On an object store, where nothing can be appended, there is no log.

    Args:
        layout: of the output.
        rank: its number.
        run_id: which run it works for.
        most: bytes of a file.
    """

    def __init__(self, layout: Layout, rank: int, run_id: str, most: int = MOST_BYTES) -> None:
        local = storage.local_path(layout.root)
        self._path = None if local is None else storage.require_local(layout.events(rank))
        self._secret, self._run, self._most = secret_of(layout.config), run_id, most
        self._lock = threading.Lock()
        self._warned = self._asked = False

    def __enter__(self) -> EventLog:
        about = {"run": self._run, "host": socket.gethostname(), "pid": os.getpid()}
        self.add(START, **about, version=diar.__version__)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        reason = "asked to" if self._asked else "done"
        self.add(STOP, run=self._run, reason=reason if kind is None else kind.__name__)

    def asked(self) -> None:
        """Note that the rank stops because somebody asked it to."""
        self._asked = True

    def recording(self, shard: int, row: RecordingRow) -> None:
        """Note that a recording is done, or why it failed."""
        about = {"recording": self._name(row.recording_id), "shard": shard}
        if row.status == OK:
            self.add(DONE, **about, seconds=round(row.duration, 3))
        elif self._secret is None:
            self.add(FAILED, **about, status=row.status, error=row.error[:_TOLD])
        else:
            self.add(FAILED, **about, status=row.status)

    def add(self, event: str, **about: Any) -> None:
        """Append an event; a log that cannot be written is told once and stops nothing."""
        if self._path is None:
            return
        line = json.dumps({"time": round(time.time(), 3), "event": event, **about}, ensure_ascii=False)
        try:
            with self._lock:
                self._append(self._path, line.encode(errors="backslashreplace") + b"\n")
        except OSError as error:  # a full disk, say; the work reports it
            if not self._warned:
                print(f"warning: events cannot be written: {explain(error)}", file=sys.stderr, flush=True)
            self._warned = True

    def _append(self, path: Path, line: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:  # opened each time: a purge may have written it again
            file.write(line)
            full = file.tell() > self._most
        if full:
            path.replace(path.with_suffix(f"{_EARLIER}{path.suffix}"))

    def _name(self, recording_id: str) -> str:
        return recording_id if self._secret is None else hidden(self._secret, recording_id)


def read_events(layout: Layout) -> Iterator[dict[str, Any]]:
    """Yield the events of all ranks, each with its file's `rank`; lines that a kill has cut are left out."""
    folder = storage.join(layout.private, "events")
    for name in storage.list_names(folder):
        rank = name.partition(".")[0].removeprefix("rank_")
        if not (name.endswith(".jsonl") and rank.isdigit()):
            continue
        for line in storage.read_bytes(storage.join(folder, name)).splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict) and isinstance(event.get("time"), float | int):
                yield {**event, "rank": int(rank)}
