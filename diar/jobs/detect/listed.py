"""What manifests say of each recording, from stage 1's index and stage 2's result."""

from __future__ import annotations

import re
from collections.abc import Iterator

from diar import storage
from diar.formats.files_table import FileTable
from diar.formats.manifests import ListedRecording
from diar.formats.turns_json import RecordingTurns, on_file_clock
from diar.jobs.detect.config import DetectConfig
from diar.records import RecordingRow, Turn
from diar.store.reader import RecordingIndex

_PART = re.compile(r"@\d+\.\d+-(\d+\.\d+)?$")  # what a manifest appends to a file's id for a part of it


def file_of(row: RecordingRow) -> str:
    """Return the id of the file that a recording is, or is a part of."""
    is_part = row.offset > 0 or row.part_seconds is not None
    return _PART.sub("", row.recording_id) if is_part else row.recording_id


def url_of(config: DetectConfig, row: RecordingRow) -> str:
    """Return where the audio lies now."""
    return row.path if config.audio_dir is None else storage.join(config.audio_dir, file_of(row))


def listed_turns(
    config: DetectConfig, row: RecordingRow, result: RecordingTurns, rttm: str | None
) -> ListedRecording:
    """Return a recording with its turns; `rttm` is a file that holds them on the file's clock."""
    return _listed(config, row, list(on_file_clock(result).turns), rttm)


def listed_files(config: DetectConfig, index: RecordingIndex, table: FileTable) -> Iterator[ListedRecording]:
    """Yield the recordings that have a speaker and no other voice, each as one turn from start to end."""
    rows = {recording_id: number for number, recording_id in enumerate(index.recording_id)}
    for path, speaker, odd in zip(table.path, table.speaker, table.odd, strict=True):
        if speaker and not odd:
            row = index.row(rows[path])
            yield _listed(config, row, [Turn(path, row.offset, row.offset + row.duration, speaker)], None)


def _listed(config: DetectConfig, row: RecordingRow, turns: list[Turn], rttm: str | None) -> ListedRecording:
    return ListedRecording(
        recording_id=row.recording_id,
        file_id=file_of(row),
        url=url_of(config, row),
        sample_rate=row.sample_rate,
        channels=row.channels,
        offset=row.offset,
        duration=row.duration,
        turns=turns,
        channel=row.channel,
        audio_track=row.audio_track,
        rttm=rttm,
    )
