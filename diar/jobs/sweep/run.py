"""A sweep from the reference to the table."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from tqdm import tqdm

import diar
from diar import storage
from diar.formats.matching import match_names
from diar.formats.rttm import read_turns, read_uem
from diar.jobs.detect.config import DetectConfig
from diar.jobs.detect.workers import start_workers
from diar.jobs.sweep.config import SweepConfig
from diar.jobs.sweep.report import Report, Row
from diar.jobs.sweep.space import Space, SweepError, parse_axis
from diar.jobs.sweep.stored import BEST_NAME, TABLE_NAME, Stored
from diar.jobs.sweep.work import Task, TryAll
from diar.options.arguments import read_options
from diar.options.terminal import progress_stream
from diar.records import OK
from diar.score.amounts import Amounts
from diar.spawning import usable_cores
from diar.store.index import read_pipeline
from diar.store.reader import RecordingIndex, TracksReader, load_index

_PLACES = frozenset({"embeddings_dir", "output_dir", "task"})  # which the sweep itself gives


class Sweep:
    """All that a sweep needs, read once.

    Args:
        config: the command's options.

    Attributes:
        amounts: of each recording, by key of the trial; empty before `run`.

    Raises:
        DiarError: what a user can mend.
    """

    amounts: Mapping[str, Mapping[str, Amounts]]

    def __init__(self, config: SweepConfig) -> None:
        self.config = config
        given = {} if config.detect_config is None else read_options(DetectConfig, config.detect_config)
        self.fixed = {name: value for name, value in given.items() if name not in _PLACES}
        places = {"embeddings_dir": config.embeddings_dir, "output_dir": str(config.output_dir)}
        self.index = load_index(config.embeddings_dir)
        self.pipeline = read_pipeline(config.embeddings_dir, self.index.metadata)
        axes = [parse_axis(text) for text in config.vary]
        self.space = Space(axes, {**self.fixed, **places}, self.pipeline)
        random = config.search == "random"
        self.trials = self.space.drawn(config.trials, config.seed) if random else self.space.grid()
        if "activity_step" not in self.index.metadata:
            raise SweepError(
                f"{config.embeddings_dir} was made with --segmentation none, which finds no turns"
            )
        self.reference = _of_index(self.index, read_turns(config.reference), "reference")
        self.uem = None
        if config.uem is not None:
            self.uem = _of_index(self.index, read_uem(config.uem), "uem", list(self.reference))
            self.reference |= {name: [] for name in self._without_reference(self.uem)}
        self.amounts = {}
        self.errors: dict[str, str] = {}  # recordings without tracks, whose speech is missed in all trials

    def run(self) -> Report:
        """Make the trials that are not made yet; write the table and the best.

        Raises:
            DiarError: the output has another sweep, or a process was killed.
        """
        config = self.config
        with Stored(config.output_dir, self.identity(), config.overwrite) as stored:
            tasks = list(self._tasks(stored))
            processes = config.processes or max(1, len(usable_cores()))
            reader = TracksReader(config.embeddings_dir)
            try_all = TryAll(reader, config.collar, config.skip_overlap, self.pipeline)
            with start_workers(processes, len(tasks)) as workers:
                results = workers.map(try_all, tasks)
                for tried in tqdm(
                    results, "sweep", len(tasks), unit="recording", disable=None, file=progress_stream()
                ):
                    stored.add(tried)
                    if tried.error:
                        self.errors[tried.recording_id] = tried.error
            self.amounts = stored.amounts
            report = self._report(stored)
        for name, data in ((TABLE_NAME, report.csv()), (BEST_NAME, report.best_yaml())):
            storage.write_bytes_atomic(storage.local_url(str(config.output_dir / name)), data)
        return report

    def _without_reference(self, uem: Collection[str]) -> list[str]:
        """Return recordings where all that is found is a false alarm, as `score der` has it."""
        stored = zip(self.index.recording_id, self.index.status, strict=True)
        return [
            name for name, status in stored if name in uem and name not in self.reference and status == OK
        ]

    def identity(self) -> dict[str, Any]:
        """Return all that amounts depend on, besides the trial."""
        config = self.config
        return {
            "program": f"diar {diar.__version__}",
            "fingerprint": self.index.metadata.get("fingerprint"),
            "recordings": _digest(sorted(self.reference)),
            "reference": _digest(sorted(self.reference.items())),
            "uem": None if self.uem is None else _digest(sorted(self.uem.items())),
            "collar": config.collar,
            "skip_overlap": config.skip_overlap,
            "options": {name: str(value) for name, value in sorted(self.fixed.items())},
        }

    def _tasks(self, stored: Stored) -> Iterator[Task]:
        """Yield each recording that is scored, with the trials that are left."""
        row_of = {name: row for row, name in enumerate(self.index.recording_id)}
        for name, turns in self.reference.items():
            if self.uem is not None and name not in self.uem:
                continue
            done = stored.amounts.get(name, {})
            left = [trial for trial in self.trials if trial.key not in done]
            if left:
                row = row_of.get(name)
                there = row is not None and self.index.status[row] == OK
                shard = int(self.index.shard[row]) if there and row is not None else None
                listed = None if row is None else self.index.num_speakers[row]
                uem = None if self.uem is None else self.uem[name]
                yield Task(name, shard, listed, turns, uem, left)

    def _report(self, stored: Stored) -> Report:
        rows = [Row(trial, stored.pooled(trial.key)) for trial in self.trials]
        if not rows[0].amounts.recordings:
            raise SweepError("nothing to score: the reference and the UEM have no recording in common")
        rows.sort(key=lambda row: row.rank(self.config.metric))
        return Report(rows, self.space.axes, self.fixed, self.config.metric)


def _of_index(
    index: RecordingIndex, given: dict[str, Any], parameter: str, more: Sequence[str] = ()
) -> dict[str, Any]:
    """Return what a reference or UEM says by the names that the index has, or that are `more`.

    Raises:
        SweepError: it is about other recordings.
    """
    meant = match_names([*index.recording_id, *more], given)
    if not set(meant.values()) & set(index.recording_id):
        raise SweepError(
            f"`{parameter}` is about other recordings ({next(iter(given), 'none')}, …) than those of "
            f"`embeddings_dir` ({index.recording_id[0]}, …)"
        )
    return {meant[name]: found for name, found in given.items()}


def _digest(content: Sequence[Any]) -> str:
    return hashlib.sha256(repr(content).encode("utf-8", "surrogateescape")).hexdigest()[:16]
