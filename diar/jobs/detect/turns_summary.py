"""The summary of a run with `task=turns`, for the terminal."""

from __future__ import annotations

import heapq
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field

from diar.formats.turns_json import RecordingTurns
from diar.outputs.turns import NO_SPEECH, RECORDINGS_NAME, REFERENCE_NAME
from diar.wording import counted, duration

_NAMED = 3  # recordings of a kind


@dataclass
class Counted:
    """Recordings of one kind: how many, and the first of them with a remark."""

    count: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, recording_id: str, what: str) -> None:
        """Count one recording."""
        self.count += 1
        if len(self.first) < _NAMED:
            self.first.append(f"{recording_id}: {what}")

    def lines(self, more: str) -> Iterator[str]:
        """Yield the first ones, and where the others are listed."""
        yield from (f"  {line}" for line in self.first)
        if self.count > len(self.first):
            yield f"  … and {self.count - len(self.first):,} more: {more}"


@dataclass
class TurnsSummary:
    """Counts of a run."""

    speakers: int
    warnings: list[str]
    diarized: int = 0  # with turns
    silent: Counted = field(default_factory=Counted)  # no speech found
    failures: Counted = field(default_factory=Counted)
    warned: int = 0  # recordings with warnings
    other_warned: Counted = field(default_factory=Counted)  # of them, those with turns
    turns: int = 0
    speech_seconds: float = 0.0
    overlap_seconds: float = 0.0
    references: int = 0  # recordings with true turns by the manifest
    estimates: list[tuple[float, str]] = field(default_factory=list)  # of the DER, and the recording
    output_dir: str = ""

    @property
    def failed(self) -> int:
        """Recordings that could not be diarized."""
        return self.failures.count

    def add(self, result: RecordingTurns) -> None:
        """Count one recording that was diarized."""
        self.warned += bool(result.warnings)
        if not result.turns:
            self.silent.add(result.recording_id, result.warnings[0])
            return
        self.diarized += 1
        if result.warnings:
            self.other_warned.add(result.recording_id, result.warnings[0])
        if result.quality is not None:
            self.estimates.append((result.quality.estimated_der, result.recording_id))
        self.turns += len(result.turns)
        self.speech_seconds += result.speech_seconds
        self.overlap_seconds += result.overlap_seconds

    def add_failed(self, recording_id: str, status: str, error: str) -> None:
        """Count one recording that could not be diarized."""
        self.failures.add(recording_id, f"{status}: {error}")

    def figures(self) -> dict[str, list[tuple[tuple[str, ...], float]]]:
        """Return what metrics tell of the result: values of labels and numbers, by name."""
        outcomes = {"diarized": self.diarized, "no_speech": self.silent.count, "failed": self.failed}
        whole = {
            "diar_result_turns": self.turns,
            "diar_result_people": self.speakers,
            "diar_result_speech_seconds": self.speech_seconds,
            "diar_result_overlap_seconds": self.overlap_seconds,
        }
        if self.estimates:
            whole["diar_result_estimated_der"] = statistics.median(share for share, _ in self.estimates)
        return {
            "diar_result_recordings": [((name,), float(count)) for name, count in outcomes.items()],
            **{name: [((), float(value))] for name, value in whole.items()},
        }

    def summary(self) -> str:
        """Return a few lines for the terminal."""
        share = 100 * self.overlap_seconds / self.speech_seconds if self.speech_seconds else 0.0
        lines = [
            f"{counted(self.diarized, 'recording')} diarized, "
            f"{self.silent.count + self.failed:,} without turns: "
            f"{self.silent.count:,} without speech, {self.failed:,} failed",
            f"{counted(self.turns, 'turn')} of {counted(self.speakers, 'speaker')} in "
            f"{duration(self.speech_seconds)} of speech "
            f"({share:.1f} % of it overlapped)",
        ]
        return "\n".join([*lines, *self._look_first(), *self.remarks()])

    def _look_first(self) -> list[str]:
        """Return a line on the recordings whose turns are likeliest to be wrong, where there are several."""
        if len(self.estimates) <= _NAMED:
            return []
        worst = heapq.nlargest(_NAMED, self.estimates)
        named = ", ".join(f"{recording} ({share:.0%})" for share, recording in worst)
        middle = statistics.median(share for share, _ in self.estimates)
        return [f"estimated DER {middle:.0%} in the median; look first at {named}"]

    def remarks(self) -> list[str]:
        """Return lines on what failed, what holds no speech, and warnings."""
        lines = [
            *self.failures.lines(f"status in {RECORDINGS_NAME}"),
            *self.silent.lines(f"status {NO_SPEECH} in {RECORDINGS_NAME}"),
            *(f"warning: {warning}" for warning in self.warnings),
        ]
        if self.warned:
            lines.append(
                f"warning: {counted(self.warned, 'recording')} with warnings of "
                f"{'its' if self.warned == 1 else 'their'} own, see {RECORDINGS_NAME}"
            )
            lines.extend(self.other_warned.lines(RECORDINGS_NAME))
        if self.references:
            lines.append(
                f"{counted(self.references, 'recording')} with a reference: diar score der --reference "
                f"{self.output_dir}/{REFERENCE_NAME} --hypothesis {self.output_dir}"
            )
        return lines
