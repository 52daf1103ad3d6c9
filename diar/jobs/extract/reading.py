"""One recording, from its file to chunks and its row."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace

from diar.archive.audio_tracks import AUTO
from diar.archive.channels.streams import ChannelStreams, open_channels
from diar.archive.decoders.decode import DecodeError
from diar.archive.recording import Recording
from diar.embed.character import Character
from diar.embed.chunks import Chunk, ChunkSettings, cut_channels
from diar.records import RecordingRow
from diar.store.remarks import why_silent

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReadSettings:
    """How recordings are read."""

    chunks: ChunkSettings  # rate and lengths
    channel: str  # `auto`, `mix`, `each` or a channel number
    min_duration: float  # seconds below which a recording is `too_short`
    track: str = AUTO  # or an audio track's number or language


@dataclass(frozen=True)
class ReadChunk:
    """One chunk of a recording."""

    chunk: Chunk
    share: float  # of the recording, that ends with this chunk; 0 where its length is not known before


def read_recording(recording: Recording, settings: ReadSettings) -> Iterator[ReadChunk | RecordingRow]:
    """The chunks in order, and last the row, which says what went wrong if something did.

    The row is without tracks and embedding. Whatever a file provokes becomes a row: it must not stop a run.
    """
    try:
        yield from _read(recording, settings)
    except DecodeError as error:
        yield failed_row(recording, error.kind, str(error))
    except Exception as error:
        log.exception("decoding %s", recording.recording_id)
        yield failed_row(recording, "error", f"{type(error).__name__}: {error}")


def _read(recording: Recording, settings: ReadSettings) -> Iterator[ReadChunk | RecordingRow]:
    rate, samples, character = settings.chunks.rate, 0, Character(settings.chunks.rate)
    with open_channels(recording, rate, settings.channel, settings.track) as audio:
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
    """What is known once the audio is read; a duration is given to what has one that counts."""
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
    """The row of a recording that gives nothing, with its status and reason."""
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
