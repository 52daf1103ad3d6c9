"""The turns of an archive on disk: a folder a recording, and tables of all recordings.

One recording is written at a time, so that memory does not grow with the archive. `write_recording` may run
in several processes. `ArchiveTurns` collects what they return in archive order.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import BinaryIO

from diar import storage
from diar.archive.audio_file import DecodeError
from diar.formats.labels import LABELS_NAME, TEXTGRID_NAME, format_labels, format_textgrid
from diar.formats.manifests import ListedRecording
from diar.formats.rttm import ALL_NAME, format_rttm, rttm_id
from diar.formats.spreadsheet import cells
from diar.formats.turns_json import TURNS_NAME, RecordingTurns, Times, on_file_clock, to_json
from diar.outputs.contact_sheets import ContactSheets
from diar.outputs.managed_directory import Entry, OutputDirectory
from diar.outputs.manifests import ManifestKind, Manifests
from diar.outputs.speaker_audio import AudioSource, Piece, SpeakerAudio, cut_pieces, plan_pieces
from diar.outputs.speakers_table import (
    SPEAKERS_CSV,
    SPEAKERS_NAME,
    ArchiveSpeakers,
    speakers_csv,
    write_speakers,
)
from diar.plots.timeline import TIMELINE_NAME, draw_timeline
from diar.records import Turn

RECORDINGS_FOLDER = "recordings"
RECORDINGS_NAME = "recordings.csv"
ALL_EXCLUSIVE_NAME = "all.exclusive.rttm"
RTTM_NAME = "turns.rttm"
EXCLUSIVE_NAME = "turns.exclusive.rttm"
CHANNEL_NAME = "turns.channel{}.rttm"  # where channels are read apart
REFERENCE_NAME = "reference.rttm"
NO_SPEECH = "no_speech"  # status of a recording in which no turn was found
LIST_NAME = "_detection/written_turns.csv"
_COLUMNS = (
    "rttm_id", "recording_id", "path", "folder", "status", "error", "duration", "speakers", "turns",
    "speech_seconds", "overlap_seconds", "warnings", "offset", "label", "estimated_der",
)  # fmt: skip


@dataclass(frozen=True)
class RecordingFiles:
    """Which files a recording gets besides `turns.rttm` and `turns.json`."""

    labels: bool = True  # Audacity and Praat
    timeline: bool = True
    colors: Mapping[str, int] | None = None  # numbers of the colours of those who speak
    audio: SpeakerAudio = field(default_factory=SpeakerAudio)
    times: Times = "part"  # of a recording that is a part of a file


def recording_folder(recording_id: str) -> str:
    """Return the folder of a recording's files, relative to the output directory."""
    return f"{RECORDINGS_FOLDER}/{storage.output_name(recording_id, '')}"


def write_recording(
    output_dir: str,
    result: RecordingTurns,
    files: RecordingFiles,
    *,
    source: AudioSource | None = None,
    reference: Sequence[Turn] | None = None,
    rttm_name: str | None = None,
) -> RecordingTurns:
    """Write one recording's folder, `turns.json` last; return the result as written, with new warnings.

    Args:
        output_dir: the archive's; `ArchiveTurns` has listed the recording there.
        result: what was found, in times of the part; `turns.exclusive.rttm` needs its `exclusive`.
        files: which other files to write.
        source: where the audio lies now; None = where `result.path` says.
        reference: true turns for the upper half of the picture.
        rttm_name: what RTTM files call the recording instead of its id.

    Where audio cannot be read, only the speakers' audio is missing, and the reason becomes a warning.

    Raises:
        OutputError: a file that this program did not write is in the way.
        OSError: the folder cannot be written to.
    """
    folder = OutputDirectory(output_dir, LIST_NAME).folder(recording_folder(result.recording_id))
    told = on_file_clock(result) if files.times == "file" else result
    origin = result.offset if files.times == "file" else 0.0
    contents = _texts(told, origin + result.duration, files.labels, rttm_name)
    pieces = plan_pieces(result.turns, result.duration, files.audio, origin)
    pictures = [TIMELINE_NAME] if files.timeline else []
    names = dict.fromkeys([*contents, *pictures, *(piece.file for piece in pieces), TURNS_NAME])
    folder.replace(Entry("file", name) for name in names)
    for place in {folder.root, *((folder.root / name).parent for name in names)}:
        storage.remove_temporaries(str(place))
    warnings = _cut(source or AudioSource(result.path), pieces, folder)
    told = replace(told, warnings=[*result.warnings, *warnings])
    for name, text in contents.items():
        folder.write(name, text.encode())
    for name in pictures:
        folder.write(name, draw_timeline(result, reference, origin, files.colors))
    folder.write(TURNS_NAME, to_json(told).encode(errors="backslashreplace"))  # a path need not be UTF-8
    return told


def _texts(told: RecordingTurns, end: float, labels: bool, rttm_name: str | None) -> dict[str, str]:
    """Return the text files by name; `end` is the recording's, in seconds on the clock of its turns."""
    contents = {RTTM_NAME: format_rttm(told.turns, rttm_name)}
    if told.exclusive is not None:
        contents[EXCLUSIVE_NAME] = format_rttm(told.exclusive, rttm_name)
    for channel in told.channels:
        own = [turn for turn in told.turns if turn.channel == channel]
        contents[CHANNEL_NAME.format(channel)] = format_rttm(own, rttm_name)
    if labels:
        contents[LABELS_NAME] = format_labels(told.turns)
        contents[TEXTGRID_NAME] = format_textgrid(told.turns, end)
    return contents


def _cut(source: AudioSource, pieces: Sequence[Piece], folder: OutputDirectory) -> list[str]:
    for piece in pieces:  # an earlier run's file, perhaps another speaker's, must not stay without the source
        (folder.root / piece.file).unlink(missing_ok=True)
    try:
        return cut_pieces(source, pieces, str(folder.root))
    except DecodeError as error:
        return [f"no audio of speakers: {error}"]


class ArchiveTurns:
    """Writes `all.rttm` and `recordings.csv` while recordings come in; a context manager.

    The files appear, complete, when the block ends. If it raises, those of the run before stay.
    """

    def __init__(
        self,
        output_dir: str,
        recording_ids: Iterable[str],
        *,
        exclusive: bool,
        reference: bool = False,
        rttm_names: Mapping[str, str] | None = None,
        sheets: ContactSheets | None = None,
        manifests: Sequence[ManifestKind] = (),
    ) -> None:
        """Remove what an earlier run wrote about recordings that are no longer there.

        Args:
            output_dir: local.
            recording_ids: all recordings that will get a folder.
            exclusive: whether turns without overlap are written, too.
            reference: whether true turns are, in `reference.rttm`.
            rttm_names: what RTTM files call recordings, by id, where it is not the id.
            sheets: for recordings that get no picture of their own.
            manifests: for which toolkits `list_recording` lists recordings.

        Raises:
            OutputError: `output_dir` is not local, or a file that this program did not write is in the way.
        """
        self._output = OutputDirectory(output_dir, LIST_NAME)
        self._rttm_names, self._sheets = rttm_names or {}, sheets
        self._names = [ALL_NAME, *([ALL_EXCLUSIVE_NAME] if exclusive else [])]
        self._reference_names = [REFERENCE_NAME] if reference else []
        tables = (RECORDINGS_NAME, SPEAKERS_NAME, SPEAKERS_CSV)
        entries = [Entry("file", name) for name in (*self._names, *self._reference_names, *tables)]
        entries += [] if sheets is None else sheets.entries
        entries += Manifests.entries("turns", manifests)
        self._manifests = Manifests(self._output, "turns", manifests)
        entries += [Entry("folder", recording_folder(recording_id)) for recording_id in recording_ids]
        storage.remove_temporaries(output_dir)
        self._output.replace(entries)
        self._stack = ExitStack()

    def __enter__(self) -> ArchiveTurns:
        self._rttm = [self._open(name) for name in self._names]
        self._reference = [self._open(name) for name in self._reference_names]
        self._table = self._open(RECORDINGS_NAME)
        self._table.write(_csv_line(_COLUMNS))
        self._stack.enter_context(self._manifests)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def add(self, result: RecordingTurns, reference: Sequence[Turn] = (), *, on_sheet: bool = False) -> None:
        """Append a recording that was written, and its true turns if any; call it in archive order.

        `on_sheet`: it has no picture of its own.
        """
        if on_sheet and self._sheets is not None:
            self._sheets.add(result, self._output)
        name = self._rttm_names.get(result.recording_id)
        for file in self._reference:
            file.write(format_rttm(reference, name).encode())
        for file, turns in zip(self._rttm, (result.turns, result.exclusive), strict=False):
            file.write(format_rttm(turns or [], name).encode())
        self._row(
            result.recording_id,
            path=result.path,
            folder=recording_folder(result.recording_id),
            status="ok" if result.turns else NO_SPEECH,
            duration=f"{result.duration:.3f}",
            speakers=len(result.speakers),
            turns=len(result.turns),
            speech_seconds=f"{result.speech_seconds:.3f}",
            overlap_seconds=f"{result.overlap_seconds:.3f}",
            warnings=_joined(result.warnings),
            offset=f"{result.offset:g}" if result.offset else "",
            label=result.label or "",
            estimated_der="" if result.quality is None else f"{result.quality.estimated_der:.4f}",
        )

    def list_recording(self, listed: ListedRecording) -> None:
        """List a recording in the manifests."""
        self._manifests.add(listed)

    def add_failed(
        self, recording_id: str, path: str, status: str, error: str, warnings: Sequence[str] = ()
    ) -> None:
        """Append a recording that could not be diarized, and why; call it in archive order."""
        self._row(recording_id, path=path, status=status, error=error, warnings=_joined(warnings))

    def write_speakers(self, speakers: ArchiveSpeakers, metadata: dict[str, str]) -> None:
        """Write `speakers.parquet` and `speakers.csv`."""
        write_speakers(str(self._output.root / SPEAKERS_NAME), speakers, metadata)
        self._output.write(SPEAKERS_CSV, speakers_csv(speakers).encode())

    def _open(self, name: str) -> BinaryIO:
        return self._stack.enter_context(storage.open_atomic(str(self._output.root / name)))

    def _row(self, recording_id: str, **fields: object) -> None:
        name = self._rttm_names.get(recording_id, recording_id)
        fields |= {"recording_id": recording_id, "rttm_id": rttm_id(name)}
        self._table.write(_csv_line([fields.get(column, "") for column in _COLUMNS]))


def _joined(warnings: Sequence[str]) -> str:
    return " | ".join(warnings)


def _csv_line(fields: Iterable[object]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerow(cells(fields))
    return text.getvalue().encode()
