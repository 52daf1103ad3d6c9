"""How far a command is that works in one process."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from diar.jobs.progress.snapshot import RunSnapshot


@dataclass
class OwnProgress:
    """Counts the recordings of a command that works in one process, as stage 2.

    Attributes:
        recordings: to be done; 0 as long as that is not known.
        done: of them.
        failed: of these.
        audio_seconds: of these.
    """

    recordings: int = 0
    done: int = 0
    failed: int = 0
    audio_seconds: float = 0.0
    _started: float = field(default_factory=time.monotonic)

    def add(self, audio_seconds: float, *, failed: bool = False) -> None:
        """Count one recording."""
        self.done += 1
        self.failed += failed
        self.audio_seconds += audio_seconds

    def __call__(self) -> RunSnapshot:
        """Return it as the run of one rank."""
        from diar.jobs.progress.counters import Counters
        from diar.jobs.progress.snapshot import RankSnapshot, RunSnapshot

        counters = Counters(
            files=self.done,
            failed=self.failed,
            audio_seconds=self.audio_seconds,
            working_seconds=time.monotonic() - self._started,
        )
        share = self.done / self.recordings if self.recordings else 0.0
        return RunSnapshot(self.recordings, self.done, share, (RankSnapshot(0, time.time(), counters),))
