"""Decoding ahead of the network: threads turn recordings into chunks, a bounded queue holds them back."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType

import numpy as np

from diar.archive.decode import DecodeError, open_audio
from diar.archive.listing import Recording
from diar.extract.chunks import Chunk, ChunkSettings, cut_chunks
from diar.extract.passes import Key
from diar.extract.progress import Counters
from diar.store.schema import RecordingRow

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DecodedChunk:
    """One chunk of a recording."""

    key: Key
    chunk: Chunk
    share: float  # of the recording, that ends with this chunk; 0 where its length is not known before


@dataclass(frozen=True)
class DecodedRecording:
    """A recording is decoded: its row without tracks and embedding, or why it failed."""

    key: Key
    row: RecordingRow
    num_chunks: int


@dataclass(frozen=True)
class _Failure:
    """What ended the list of recordings."""

    error: Exception


class ChunkReader:
    """Iterates over the decoded chunks of several recordings, of each in order and followed by its row.

    Args:
        recordings: what to decode; taken from in the decoding threads, one at a time, as they get free.
        settings: rate and chunk lengths.
        channel: `mix` or a channel number.
        min_duration: seconds below which a recording is `too_short`.
        threads: how many recordings are decoded at the same time.
        ahead: most chunks decoded and not yet taken.
        counters: take the time of decoding.

    Iterating raises what `recordings` raises.
    """

    def __init__(
        self,
        recordings: Iterable[tuple[Key, Recording]],
        settings: ChunkSettings,
        *,
        channel: str,
        min_duration: float,
        threads: int,
        ahead: int,
        counters: Counters,
    ) -> None:
        self._recordings = iter(recordings)
        self._taking = threading.Lock()
        self._settings = settings
        self._channel = channel
        self._min_duration = min_duration
        self._counters = counters
        self._queue: queue.Queue[DecodedChunk | DecodedRecording | _Failure | None] = queue.Queue(ahead)
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, name=f"decode {number}", daemon=True)
            for number in range(threads)
        ]

    def __enter__(self) -> ChunkReader:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def __iter__(self) -> Iterator[DecodedChunk | DecodedRecording]:
        working = len(self._threads)
        while working:
            item = self._queue.get()
            if isinstance(item, _Failure):
                raise item.error
            if item is None:
                working -= 1
            else:
                yield item

    def _work(self) -> None:
        while not self._stopped.is_set():
            try:
                with self._taking:
                    taken = next(self._recordings, None)
            except Exception as error:  # raised again where the chunks are taken
                self._put(_Failure(error))
                return
            if taken is None:
                break
            self._read(*taken)
        self._put(None)

    def _read(self, key: Key, recording: Recording) -> None:
        count = 0
        try:
            row, count = self._decode(key, recording)
        except DecodeError as error:
            row = _failed(recording, error.kind, str(error))
        except Exception as error:  # whatever one file provokes must not stop the run: it is reported
            log.exception("decoding %s", recording.recording_id)
            row = _failed(recording, "error", f"{type(error).__name__}: {error}")
        self._put(DecodedRecording(key, row, count))

    def _decode(self, key: Key, recording: Recording) -> tuple[RecordingRow, int]:
        rate, samples, peak, count = self._settings.rate, 0, 0.0, 0
        with open_audio(recording, rate, self._channel) as audio:
            for chunk in self._counters.timed("decode_step", cut_chunks(audio, self._settings)):
                if chunk.last and chunk.end < self._min_duration * rate:
                    seconds = chunk.end / rate
                    message = f"{seconds:.3f} s of audio, less than min_duration ({self._min_duration} s)"
                    return _failed(recording, "too_short", message), 0
                samples, count = chunk.end, count + 1
                peak = max(peak, float(np.abs(chunk.samples).max()))
                self._put(DecodedChunk(key, chunk, audio.share(chunk.end)))
                if self._stopped.is_set():
                    return _failed(recording, "error", "the run was stopped"), count
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

    def _put(self, item: DecodedChunk | DecodedRecording | _Failure | None) -> None:
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
