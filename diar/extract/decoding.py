"""Decoding ahead of the network: threads turn recordings into chunks, a bounded queue holds them back."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType

import numpy as np

from diar.archive.decode import DecodeError, open_audio
from diar.archive.listing import Recording
from diar.extract.chunks import Chunk, ChunkSettings, cut_chunks
from diar.store.schema import RecordingRow

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DecodedChunk:
    """One chunk of the recording at `position` of the shard."""

    position: int
    chunk: Chunk


@dataclass(frozen=True)
class DecodedRecording:
    """The recording at `position` is decoded: its row without tracks and embedding, or why it failed."""

    position: int
    row: RecordingRow
    num_chunks: int


class ChunkReader:
    """Iterates over the decoded chunks of several recordings, of each in order and followed by its row.

    Args:
        recordings: (position, recording) pairs.
        settings: rate and chunk lengths.
        channel: `mix` or a channel number.
        min_duration: seconds below which a recording is `too_short`.
        threads: how many recordings are decoded at the same time.
        ahead: most chunks decoded and not yet taken.
    """

    def __init__(
        self,
        recordings: Sequence[tuple[int, Recording]],
        settings: ChunkSettings,
        *,
        channel: str,
        min_duration: float,
        threads: int,
        ahead: int,
    ) -> None:
        self._recordings = recordings
        self._settings = settings
        self._channel = channel
        self._min_duration = min_duration
        self._queue: queue.Queue[DecodedChunk | DecodedRecording] = queue.Queue(ahead)
        self._stopped = threading.Event()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="decode")

    def __enter__(self) -> ChunkReader:
        for position, recording in self._recordings:
            self._pool.submit(self._read, position, recording)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._pool.shutdown(cancel_futures=True)

    def __iter__(self) -> Iterator[DecodedChunk | DecodedRecording]:
        remaining = len(self._recordings)
        while remaining:
            item = self._queue.get()
            remaining -= isinstance(item, DecodedRecording)
            yield item

    def _read(self, position: int, recording: Recording) -> None:
        count = 0
        try:
            row, count = self._decode(position, recording)
        except DecodeError as error:
            row = _failed(recording, error.kind, str(error))
        except Exception as error:  # whatever one file provokes must not stop the run: it is reported
            log.exception("decoding %s", recording.recording_id)
            row = _failed(recording, "error", f"{type(error).__name__}: {error}")
        self._put(DecodedRecording(position, row, count))

    def _decode(self, position: int, recording: Recording) -> tuple[RecordingRow, int]:
        rate, samples, peak, count = self._settings.rate, 0, 0.0, 0
        with open_audio(recording, rate, self._channel) as audio:
            for chunk in cut_chunks(audio, self._settings):
                if chunk.last and chunk.end < self._min_duration * rate:
                    seconds = chunk.end / rate
                    message = f"{seconds:.3f} s of audio, less than min_duration ({self._min_duration} s)"
                    return _failed(recording, "too_short", message), 0
                samples, count = chunk.end, count + 1
                peak = max(peak, float(np.abs(chunk.samples).max()))
                self._put(DecodedChunk(position, chunk))
            if not count:
                return _failed(recording, "empty", "holds no audio samples"), 0
            row = RecordingRow(
                recording.recording_id,
                recording.url,
                duration=samples / rate,
                sample_rate=audio.source_rate,
                channels=audio.channels,
                gaps=tuple(audio.gaps),
                size=recording.size,
                mtime=recording.mtime,
            )
        if peak == 0.0:
            return _failed(recording, "silent", "all samples are zero"), count
        return row, count

    def _put(self, item: DecodedChunk | DecodedRecording) -> None:
        while not self._stopped.is_set():
            try:
                self._queue.put(item, timeout=0.2)
            except queue.Full:
                continue
            return


def _failed(recording: Recording, kind: str, message: str) -> RecordingRow:
    return RecordingRow(
        recording.recording_id,
        recording.url,
        status=kind,
        error=message,
        size=recording.size,
        mtime=recording.mtime,
    )
