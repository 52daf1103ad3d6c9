"""Writing what was found in all recordings, in archive order, and counting it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from tqdm import tqdm

from diar.archive import storage
from diar.config import DetectConfig
from diar.detect.diarize import Diarization
from diar.detect.turns_report import TurnsReport
from diar.detect.workers import Workers
from diar.outputs.recordings import RECORDINGS_NAME, ArchiveTurns, RecordingFiles, write_recording
from diar.outputs.rttm import Turn
from diar.outputs.speaker_audio import AudioSource, SpeakerAudio
from diar.outputs.speakers_table import ArchiveSpeakers, SpeakerTotals
from diar.outputs.turns_json import RecordingTurns
from diar.store.reader import RecordingIndex, read_offsets


@dataclass(frozen=True)
class NoTurns:
    """Why a recording could not be diarized."""

    status: str  # a word for the kind, as in recordings.csv
    error: str


@dataclass
class TurnsSummary:
    """What a run did."""

    speakers: int
    warnings: list[str]
    diarized: int = 0
    failed: int = 0
    warned: int = 0  # recordings with warnings
    turns: int = 0
    speech_seconds: float = 0.0
    overlap_seconds: float = 0.0

    def add(self, result: RecordingTurns) -> None:
        """Count one recording."""
        self.diarized += 1
        self.warned += bool(result.warnings)
        self.turns += len(result.turns)
        self.speech_seconds += result.speech_seconds
        self.overlap_seconds += result.overlap_seconds

    def summary(self) -> str:
        """A few lines for the terminal."""
        share = 100 * self.overlap_seconds / self.speech_seconds if self.speech_seconds else 0.0
        lines = [
            f"{self.diarized} recordings diarized, {self.failed} without turns",
            f"{self.turns} turns of {self.speakers} speakers in {self.speech_seconds / 3600:.2f} h of speech "
            f"({share:.1f} % of it overlapped)",
            *(f"warning: {warning}" for warning in self.warnings),
        ]
        if self.warned:
            lines.append(
                f"warning: {self.warned} recordings have warnings of their own, see {RECORDINGS_NAME}"
            )
        return "\n".join(lines)


class TurnsWriter:
    """Writes the outputs of one run.

    Args:
        config: the run's options.
        index: the archive.
        report: of the linked speakers.
        reference: true turns of some recordings, by id.
    """

    def __init__(
        self,
        config: DetectConfig,
        index: RecordingIndex,
        report: TurnsReport,
        reference: Mapping[str, Sequence[Turn]],
    ) -> None:
        self._config, self._index = config, index
        self._report, self._reference = report, reference

    def write(self, workers: Workers, found: Sequence[Diarization | NoTurns]) -> TurnsSummary:
        """Write everything; `found` is what each recording of the archive came to, in order.

        Raises:
            OutputError: the output directory is not local, or something of somebody else is in the way.
        """
        config, index, linked = self._config, self._index, self._report.linked
        summary, totals = TurnsSummary(len(linked.speaker_id), self._report.warnings), SpeakerTotals()
        files = RecordingFiles(config.labels, config.plot, SpeakerAudio(config.speaker_audio))
        written = workers.map(partial(_write_one, config.output_dir, files), self._jobs(found))
        ids = [
            id_ for id_, one in zip(index.recording_id, found, strict=True) if isinstance(one, Diarization)
        ]
        with ArchiveTurns(config.output_dir, ids, exclusive=config.exclusive) as archive:
            for row, one in enumerate(tqdm(found, "write", unit="recording", disable=None)):
                if isinstance(one, NoTurns):
                    archive.add_failed(index.recording_id[row], index.path[row], one.status, one.error)
                    summary.failed += 1
                    continue
                result = next(written)
                archive.add(result)
                totals.add(result)
                summary.add(result)
            speakers = ArchiveSpeakers.of(
                totals, linked.speaker_id, linked.name, linked.known, linked.centroid
            )
            archive.write_speakers(speakers, self._report.metadata())
        return summary

    def _jobs(self, found: Sequence[Diarization | NoTurns]) -> Iterator[_Job]:
        offsets = read_offsets(self._config.embeddings_dir)
        first = 0  # row of the recording's first speaker among the linked ones
        for row, one in enumerate(found):
            if isinstance(one, NoTurns):
                continue
            recording_id, url = self._index.recording_id[row], self._index.path[row]
            if self._config.audio_dir is not None:
                url = storage.join(self._config.audio_dir, recording_id)
            yield _Job(
                self._report.recording(row, one, first),
                AudioSource(
                    url,
                    offsets.get(recording_id, 0.0),
                    int(self._index.audio_track[row]),
                    int(channel) if (channel := self._index.channel[row]).isdecimal() else None,
                ),
                self._reference.get(recording_id),
            )
            first += len(one.turns)


@dataclass(frozen=True)
class _Job:
    """A recording to write."""

    result: RecordingTurns
    source: AudioSource
    reference: Sequence[Turn] | None


def _write_one(output_dir: str, files: RecordingFiles, job: _Job) -> RecordingTurns:
    return write_recording(output_dir, job.result, files, source=job.source, reference=job.reference)
