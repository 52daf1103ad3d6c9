"""One recording, all trials: its tracks are read once, and clustered once for trials that do it alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from diar.detect.clustering.choose import ClusteringSettings, find_centroids
from diar.detect.naming import local_labels, named_turns
from diar.detect.observations import Observations
from diar.detect.sides import Sides, diarize_sides
from diar.errors import DiarError
from diar.formats.rttm import Region
from diar.jobs.detect.settings import asked_speakers, diarize_settings
from diar.jobs.sweep.space import Trial
from diar.records import Turn
from diar.score.amounts import Amounts
from diar.score.recording import score_recording
from diar.store.index import StoredPipeline
from diar.store.reader import TracksReader

_DECIMALS = 3  # of a second, as in RTTM
_DECIDES_CLUSTERING = (
    "clustering", "clustering_threshold", "num_speakers", "min_speakers", "max_speakers",
    "plda", "plda_transform",
)  # fmt: skip


@dataclass(frozen=True)
class Task:
    """A recording, and the trials that are not made of it yet."""

    recording_id: str
    shard: int | None  # None: stage 1 has nothing of it, and all its speech is missed
    num_speakers: int | None  # by the manifest
    reference: Sequence[Turn]
    uem: Sequence[Region] | None
    trials: Sequence[Trial]


@dataclass(frozen=True)
class Tried:
    """What the trials of a recording came to."""

    recording_id: str
    amounts: dict[str, Amounts]  # by the key of the trial
    error: str = ""  # why there are no tracks


@dataclass(frozen=True)
class TryAll:
    """Makes all trials of a recording, in any process.

    Attributes:
        reader: of stage 1's output.
        collar: seconds on each side of a reference boundary.
        skip_overlap: leave out where reference speakers overlap.
        pipeline: whose networks stage 1 ran, if they are of one.
    """

    reader: TracksReader
    collar: float
    skip_overlap: bool
    pipeline: StoredPipeline | None = None

    def __call__(self, task: Task) -> Tried:
        """Return the amounts of each trial; of a recording without tracks, everything is missed."""
        if task.shard is None:
            return self._missed(task, "stage 1 has no tracks of it")
        try:
            sides = Sides.of(self.reader.read(task.recording_id, task.shard))
        except DiarError as error:
            return self._missed(task, str(error))
        clustered: dict[tuple[object, ...], np.ndarray] = {}
        amounts = {
            trial.key: self._amounts(task, self._turns(task, sides, trial, clustered))
            for trial in task.trials
        }
        return Tried(task.recording_id, amounts)

    def _turns(
        self, task: Task, sides: Sides, trial: Trial, clustered: dict[tuple[object, ...], np.ndarray]
    ) -> list[Turn]:
        """Return the turns of a trial, in the milliseconds in which RTTM has them."""
        settings = diarize_settings(trial.config, self.pipeline)
        count = asked_speakers(trial.config, task.num_speakers).bounds
        settings = replace(settings, clustering=replace(settings.clustering, count=count), quality=False)
        kind = tuple(getattr(trial.config, name) for name in _DECIDES_CLUSTERING)
        found = diarize_sides(sides, settings, _once(kind, clustered))
        named = named_turns(task.recording_id, local_labels(found), found, found.turns)
        rounded = (
            Turn(turn.recording, round(turn.start, _DECIMALS), round(turn.end, _DECIMALS), turn.speaker)
            for turn in named
        )
        return [turn for turn in rounded if turn.end > turn.start]

    def _amounts(self, task: Task, turns: Sequence[Turn] | None) -> Amounts:
        scored = score_recording(
            task.recording_id, task.reference, turns, self.collar, self.skip_overlap, task.uem
        )
        return scored.amounts

    def _missed(self, task: Task, error: str) -> Tried:
        amounts = self._amounts(task, None)
        return Tried(task.recording_id, {trial.key: amounts for trial in task.trials}, error)


def _once(
    kind: tuple[object, ...], clustered: dict[tuple[object, ...], np.ndarray]
) -> Callable[[Observations, ClusteringSettings], np.ndarray]:
    """Return `find_centroids` that remembers what trials of this kind have found."""

    def find(observations: Observations, settings: ClusteringSettings) -> np.ndarray:
        key = (*kind, settings.count, id(observations))
        if key not in clustered:
            clustered[key] = find_centroids(observations, settings)
        return clustered[key]

    return find
