"""Writing all recordings, in archive order, and counting them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from tqdm import tqdm

from diar.detect.diarize import DiarizedRecording
from diar.errors import DiarError
from diar.formats.manifests import ListedRecording
from diar.formats.turns_json import RecordingTurns
from diar.jobs.detect.config import DetectConfig
from diar.jobs.detect.listed import file_of, listed_turns, url_of
from diar.jobs.detect.turns_report import TurnsReport
from diar.jobs.detect.turns_summary import TurnsSummary
from diar.jobs.detect.workers import Workers
from diar.options.terminal import progress_stream
from diar.outputs.contact_sheets import ContactSheets, is_worth_a_timeline
from diar.outputs.listed_reference import ListedReference
from diar.outputs.rttm_names import rttm_names
from diar.outputs.speaker_audio import AudioSource, SpeakerAudio
from diar.outputs.speakers_table import ArchiveSpeakers, SpeakerTotals
from diar.outputs.turns import RTTM_NAME, ArchiveTurns, RecordingFiles, recording_folder, write_recording
from diar.plots.style import number_names
from diar.records import Turn
from diar.store.reader import RecordingIndex


@dataclass(frozen=True)
class NoTurns:
    """Why a recording could not be diarized."""

    status: str  # a word for the kind, as in recordings.csv
    error: str


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
        self._colors = number_names(report.linked.name)

    def write(self, workers: Workers, found: Sequence[DiarizedRecording | NoTurns]) -> TurnsSummary:
        """Write everything; `found` holds each recording's diarization, or why there is none, in order.

        Raises:
            OutputError: the output directory is not local, or a file of another program is in the way.
        """
        config, index, linked = self._config, self._index, self._report.linked
        names = rttm_names(config.rttm_id, zip(index.recording_id, index.path, strict=True))
        summary = TurnsSummary(len(linked.speaker_id), self._report.warnings, output_dir=config.output_dir)
        totals, own = SpeakerTotals(), self._own_timelines(found)
        work = partial(_write_one, config.output_dir, self._files())
        written = workers.map(work, self._jobs(found, names, own))
        ids = [
            id_
            for id_, one in zip(index.recording_id, found, strict=True)
            if isinstance(one, DiarizedRecording)
        ]
        with ArchiveTurns(
            config.output_dir,
            ids,
            exclusive=config.exclusive,
            reference=index.has_references,
            rttm_names=names,
            sheets=self._sheets(found, own),
            manifests=config.manifests,
        ) as archive:
            for row, one in enumerate(
                tqdm(found, "write", unit="recording", disable=None, file=progress_stream())
            ):
                if isinstance(one, NoTurns):
                    self._add_failed(archive, summary, row, one)
                    continue
                result, reference = next(written)
                archive.add(result, reference, on_sheet=not own[row])
                if config.manifests:
                    archive.list_recording(self._listed(row, result))
                totals.add(result)
                summary.add(result)
                summary.references += index.has_references and bool(reference)
            speakers = ArchiveSpeakers.of(
                totals, linked.speaker_id, linked.name, linked.known, linked.centroid
            )
            archive.write_speakers(speakers, self._report.metadata())
        return summary

    def _listed(self, row: int, result: RecordingTurns) -> ListedRecording:
        """Return what manifests say of a recording that was written."""
        folder = Path(self._config.output_dir, recording_folder(result.recording_id)).absolute()
        on_clock = result.times == "file" or not result.offset
        rttm = str(folder / RTTM_NAME) if on_clock else None
        return listed_turns(self._config, self._index.row(row), result, rttm)

    def _files(self) -> RecordingFiles:
        config = self._config
        audio = SpeakerAudio(config.speaker_audio)
        return RecordingFiles(config.labels, audio=audio, times=config.times)

    def _own_timelines(self, found: Sequence[DiarizedRecording | NoTurns]) -> list[bool]:
        """Return of each recording whether it gets a picture of its own."""
        config, index = self._config, self._index
        if not config.plot or config.timelines != "auto":
            return [config.plot and config.timelines == "all"] * len(found)
        return [
            isinstance(one, DiarizedRecording)
            and is_worth_a_timeline(
                len(found), len(one.turns), float(index.duration[row]), self._has_reference(row)
            )
            for row, one in enumerate(found)
        ]

    def _has_reference(self, row: int) -> bool:
        listed = self._index.listed(row).reference
        return listed is not None or self._index.recording_id[row] in self._reference

    def _sheets(
        self, found: Sequence[DiarizedRecording | NoTurns], own: Sequence[bool]
    ) -> ContactSheets | None:
        """Return the sheets for the recordings without a picture of their own, if any are wanted."""
        if not self._config.plot or self._config.timelines != "auto":
            return None
        others = sum(
            isinstance(one, DiarizedRecording) and not has for one, has in zip(found, own, strict=True)
        )
        return ContactSheets(others, self._colors)

    def _add_failed(self, archive: ArchiveTurns, summary: TurnsSummary, row: int, one: NoTurns) -> None:
        recording_id, warnings = self._index.recording_id[row], self._report.failed_warnings(row)
        archive.add_failed(recording_id, self._index.path[row], one.status, one.error, warnings)
        summary.add_failed(recording_id, one.status, one.error)

    def _jobs(
        self, found: Sequence[DiarizedRecording | NoTurns], names: Mapping[str, str], own: Sequence[bool]
    ) -> Iterator[_Job]:
        first = 0  # row of the recording's first speaker in `linked`
        for row, one in enumerate(found):
            if isinstance(one, NoTurns):
                continue
            result = self._report.recording(row, one, first)
            stored = self._index.row(row)
            file, url = file_of(stored), url_of(self._config, stored)
            listed = self._index.listed(row).reference
            reference = (
                None if listed is None else ListedReference(listed, file, result.offset, result.duration)
            )
            given = self._reference.get(result.recording_id)
            truth = reference if given is None else given
            colors = {speaker.name: self._colors[speaker.name] for speaker in result.speakers}
            yield _Job(result, _source(url, result), truth, names[result.recording_id], own[row], colors)
            first += len(one.turns)


@dataclass(frozen=True)
class _Job:
    """A recording to write."""

    result: RecordingTurns
    source: AudioSource
    reference: Sequence[Turn] | ListedReference | None
    rttm_name: str
    timeline: bool  # gets a picture of its own
    colors: dict[str, int]  # numbers of the colours of its speakers


def _source(url: str, result: RecordingTurns) -> AudioSource:
    """Return which part of the file at `url` stage 1 read."""
    channel = int(result.channel) if result.channel.isdecimal() else None
    return AudioSource(url, result.offset, result.audio_track, channel)


def _write_one(output_dir: str, files: RecordingFiles, job: _Job) -> tuple[RecordingTurns, Sequence[Turn]]:
    """Write a recording; return it as written, and the true turns on the same clock."""
    result, reference = job.result, job.reference
    if isinstance(reference, ListedReference):
        try:
            reference = reference.turns(result.recording_id)
        except DiarError as error:
            reference, result = None, replace(result, warnings=[*result.warnings, f"no reference: {error}"])
    files = replace(files, timeline=job.timeline, colors=job.colors)
    written = write_recording(
        output_dir, result, files, source=job.source, reference=reference, rttm_name=job.rttm_name
    )
    origin = result.offset if written.times == "file" else 0.0
    moved = [replace(turn, start=turn.start + origin, end=turn.end + origin) for turn in reference or ()]
    return written, [replace(turn, recording=result.recording_id) for turn in moved]
