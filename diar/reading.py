"""One recording, from its file to chunks and its row."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from diar.archive.audio_file import AudioFile, DecodeError
from diar.archive.audio_tracks import AUTO
from diar.archive.channels import choice
from diar.archive.channels.streams import ChannelStreams, open_channels
from diar.archive.recording import Recording
from diar.embedding.character import Character
from diar.embedding.chunks import Chunk, ChunkSettings, cut_channels
from diar.embedding.settings import MIN_DURATION
from diar.records import RecordingRow
from diar.store.remarks import why_silent

if TYPE_CHECKING:  # imports torch, which a process that only decodes should not wait for
    from diar.embedding.rows import RecordingEmbeddings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReadSettings:
    """How recordings are read."""

    chunks: ChunkSettings  # rate and lengths
    channel: str = choice.AUTO  # or `mix`, `each`, a channel number
    min_duration: float = MIN_DURATION  # seconds below which a recording is `too_short`
    track: str = AUTO  # or an audio track's number or language


@dataclass(frozen=True)
class ReadChunk:
    """One chunk of a recording."""

    chunk: Chunk
    share: float  # of the recording that has been read with this chunk; 0 where its length is unknown


def read_recording(
    recording: Recording, settings: ReadSettings, file: AudioFile | None = None
) -> Iterator[ReadChunk | RecordingRow]:
    """Yield the chunks in order, then the row, which says what went wrong if something did.

    The row has neither tracks nor embedding. No file may stop a run: every failure becomes a row.

    Args:
        recording: what to read.
        settings: how.
        file: its content, where that is at hand; else it is looked for at the recording's URL.
    """
    try:
        yield from _read(recording, settings, file)
    except DecodeError as error:
        yield failed_row(recording, error.kind, str(error))
    except Exception as error:
        log.exception("decoding %s", recording.recording_id)
        yield failed_row(recording, "error", f"{type(error).__name__}: {error}")


def _read(
    recording: Recording, settings: ReadSettings, file: AudioFile | None
) -> Iterator[ReadChunk | RecordingRow]:
    rate, samples, character = settings.chunks.rate, 0, Character(settings.chunks.rate)
    with open_channels(recording, rate, settings.channel, settings.track, file) as audio:
        for chunk in cut_channels(audio, audio.numbers, settings.chunks):
            if chunk.last and chunk.end < settings.min_duration * rate:
                seconds = chunk.end / rate
                message = f"{seconds:.3f} s of audio, less than min_duration ({settings.min_duration} s)"
                yield replace(_row(recording, audio, character), status="too_short", error=message)
                return
            samples = chunk.end
            character.add(chunk.samples)
            yield ReadChunk(chunk, audio.share(chunk.end))
        row = _row(recording, audio, character)
        if not samples:
            yield failed_row(recording, "empty", "holds no audio samples")
        elif character.peak is None:
            yield replace(row, status="silent", error=f"all samples are zero{why_silent(row)}")
        else:
            yield replace(row, duration=samples / rate)


def _row(recording: Recording, audio: ChannelStreams, character: Character) -> RecordingRow:
    """Return what is known once the audio is read; the caller adds the duration of what is usable."""
    return RecordingRow(
        recording.recording_id,
        recording.url,
        sample_rate=audio.source_rate,
        channels=audio.channels,
        gaps=tuple(audio.gaps),
        audio_start=audio.audio_start,
        audio_track=audio.audio_track,
        audio_tracks=audio.audio_tracks,
        channel=audio.channel,
        warnings=tuple(audio.warnings),
        peak=character.peak,
        sound=character.sound,
        bandwidth=character.bandwidth,
        offset=recording.offset,
        part_seconds=recording.duration,
        size=recording.size,
        mtime=recording.mtime,
    )


def failed_row(recording: Recording, kind: str, message: str) -> RecordingRow:
    """Return the row of a recording that gives nothing, with its status and reason."""
    return RecordingRow(
        recording.recording_id,
        recording.url,
        status=kind,
        error=message,
        offset=recording.offset,
        part_seconds=recording.duration,
        size=recording.size,
        mtime=recording.mtime,
    )


def embedded_row(row: RecordingRow, made: RecordingEmbeddings) -> RecordingRow:
    """Return the row of a recording that was read, with what the networks made of it."""
    if not (np.isfinite(made.embedding).all() and np.isfinite(made.tracks.embedding).all()):
        message = "the encoder gave values that are not finite"
        return replace(row, status="not_finite", error=message)
    return replace(
        row,
        embedding=made.embedding,
        tracks=len(made.tracks),
        speech_seconds=made.speech_seconds,
        overlap_seconds=made.overlap_seconds,
    )
