"""What a sweep has found so far, in its folder: it is added to recording by recording, and resumed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from diar import storage
from diar.jobs.sweep.space import SweepError
from diar.jobs.sweep.work import Tried
from diar.score.amounts import Amounts

IDENTITY_NAME, AMOUNTS_NAME = "sweep.json", "amounts.jsonl"
TABLE_NAME, BEST_NAME = "sweep.csv", "best.yaml"
_OWN = (IDENTITY_NAME, AMOUNTS_NAME, TABLE_NAME, BEST_NAME)


class Stored:
    """The amounts of all trials of all recordings.

    Args:
        folder: of the sweep; is made where it is missing.
        identity: of what amounts depend on, besides the trial; for JSON.
        overwrite: whether an earlier sweep is removed.

    Attributes:
        amounts: by recording and by key of the trial.

    Raises:
        SweepError: the folder has another sweep.
        OSError: it cannot be written to.
    """

    def __init__(self, folder: Path, identity: Mapping[str, Any], overwrite: bool) -> None:
        self.folder, self.amounts = folder, dict[str, dict[str, Amounts]]()
        folder.mkdir(parents=True, exist_ok=True)
        if overwrite:
            for name in _OWN:
                (folder / name).unlink(missing_ok=True)
        self._check(identity)
        self._read()
        self._file = (folder / AMOUNTS_NAME).open("a", encoding="utf-8")

    def __enter__(self) -> Stored:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, tried: Tried) -> None:
        """Keep what a recording's trials came to. A recording that failed is tried again the next time."""
        self.amounts.setdefault(tried.recording_id, {}).update(tried.amounts)
        if tried.error:
            return
        record = {key: asdict(amounts) for key, amounts in tried.amounts.items()}
        self._file.write(json.dumps({"recording": tried.recording_id, "trials": record}) + "\n")
        self._file.flush()

    def pooled(self, key: str) -> Amounts:
        """Return the sum over all recordings of one trial."""
        return sum((trials[key] for trials in self.amounts.values() if key in trials), Amounts())

    def _check(self, identity: Mapping[str, Any]) -> None:
        """Refuse to add to another sweep; note what this one is."""
        path, now = self.folder / IDENTITY_NAME, json.loads(json.dumps(identity))
        if path.exists():
            try:
                earlier = json.loads(path.read_text(encoding="utf-8"))
            except ValueError:
                earlier = {}
            differing = [name for name in {**earlier, **now} if earlier.get(name) != now.get(name)]
            if differing:
                told = "\n".join(f"  {n}: {earlier.get(n)!r} there, {now.get(n)!r} now" for n in differing)
                raise SweepError(
                    f"`output_dir={self.folder}` holds another sweep:\n{told}\n"
                    "give another one, or start again with `overwrite`"
                )
        storage.write_bytes_atomic(storage.local_url(str(path)), json.dumps(now, indent=1).encode())

    def _read(self) -> None:
        """Read what is there; a line that was cut off when the sweep was killed is cut off entirely."""
        path = self.folder / AMOUNTS_NAME
        whole = b""
        for line in path.read_bytes().splitlines(keepends=True) if path.exists() else ():
            try:
                record = json.loads(line)
                trials = {key: Amounts(**amounts) for key, amounts in record["trials"].items()}
            except (ValueError, TypeError, KeyError):
                continue
            if line.endswith(b"\n"):
                whole += line
                self.amounts.setdefault(record["recording"], {}).update(trials)
        if path.exists():
            storage.write_bytes_atomic(storage.local_url(str(path)), whole)
