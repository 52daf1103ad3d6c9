"""One recording, from its file to chunks and its row."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from diar import storage
from diar.archive.audio_file import AudioFile, DecodeError
from diar.archive.audio_tracks import AUTO
from diar.archive.channels import choice
from diar.archive.channels.streams import Cancel, ChannelStreams, open_channels
from diar.archive.recording import Recording
from diar.embedding.character import Character
from diar.embedding.chunks import Chunk, ChunkSettings, cut_channels
from diar.embedding.settings import DEFAULT_MAX_HOURS, MIN_DURATION
from diar.errors import StoreUnavailable
from diar.records import RecordingRow
from diar.remote.cache import FileCache
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
    max_hours: float = DEFAULT_MAX_HOURS  # above which a recording is `too_long`
    cache: FileCache | None = None  # of remote files
    cancel: Cancel | None = None  # takes the echo from the sides of a call


@dataclass(frozen=True)
class ReadChunk:
    """One chunk of a recording."""

    chunk: Chunk
    share: float  # of the recording that has been read with this chunk; 0 where its length is unknown


def read_recording(
    recording: Recording, settings: ReadSettings, file: AudioFile | None = None
) -> Iterator[ReadChunk | RecordingRow]:
    """Yield the chunks in order, then the row, which says what went wrong if something did.

    The row has neither tracks nor embedding. No file may stop a run: every failure of a file becomes a row.

    Args:
        recording: what to read.
        settings: how.
        file: its content, where that is at hand; else it is looked for at the recording's URL.

    Raises:
        StoreUnavailable: a remote store does not answer, so that no file of it can be read.
    """
    try:
        with found_file(recording.url, settings.cache) if file is None else nullcontext(file) as found:
            yield from _read(recording, settings, found)
    except DecodeError as error:
        yield failed_row(recording, error.kind, str(error))
    except StoreUnavailable:  # the other recordings there would fail as well
        raise
    except Exception as error:
        log.exception("decoding %s", recording.recording_id)
        yield failed_row(recording, "error", f"{type(error).__name__}: {error}")


@contextmanager
def found_file(url: str, cache: FileCache | None) -> Iterator[AudioFile]:
    """Give the file at a URL, from `cache` if it is remote.

    Raises:
        DecodeError: `missing`, `unreadable`, `empty`.
        StoreUnavailable: a remote store does not answer.
    """
    if cache is None or storage.local_path(url) is not None:
        yield AudioFile.find(url)
        return
    with ExitStack() as held:
        with AudioFile(url, b"").reading():
            copy = held.enter_context(cache.copy_of(url))
        yield AudioFile.find(url) if copy is None else AudioFile.of_copy(url, copy)


def _read(
    recording: Recording, settings: ReadSettings, file: AudioFile
) -> Iterator[ReadChunk | RecordingRow]:
    rate, samples, character = settings.chunks.rate, 0, Character(settings.chunks.rate)
    longest = round(settings.max_hours * 3600 * rate)
    opened = open_channels(recording, rate, settings.channel, settings.track, file, settings.cancel)
    with opened as audio:
        if 0 < audio.share(longest) < 1 and _is_longer(recording, settings, longest, file):
            yield _too_long(recording, settings)  # before the networks hear hours of it
            return
        for chunk in cut_channels(audio, audio.numbers, settings.chunks):
            if chunk.last and chunk.end < settings.min_duration * rate:
                seconds = chunk.end / rate
                message = f"{seconds:.3f} s of audio, less than min_duration ({settings.min_duration} s)"
                yield replace(_row(recording, audio, character), status="too_short", error=message)
                return
            if chunk.end > longest:
                yield _too_long(recording, settings)
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


def _is_longer(recording: Recording, settings: ReadSettings, longest: int, file: AudioFile | None) -> bool:
    """Return whether there are more samples than `longest`, as the header says, by decoding them."""
    count = 0
    with open_channels(recording, settings.chunks.rate, choice.MIX, settings.track, file) as audio:
        for block in audio:
            count += block.shape[1]
            if count > longest:
                return True
    return False


def _too_long(recording: Recording, settings: ReadSettings) -> RecordingRow:
    message = f"over max_hours ({settings.max_hours:g} h) of audio in {recording.size:,} bytes"
    return failed_row(recording, "too_long", message)


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
        level_range=character.level_range,
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
