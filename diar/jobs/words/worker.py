"""One rank's work: the recordings of a shard to words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np

from diar import storage
from diar.archive.audio_file import DecodeError
from diar.archive.recording import Recording
from diar.asr.errors import UnrecognisedError
from diar.asr.recogniser import RATE
from diar.asr.recording import Remember
from diar.formats.words.reading import WordsError
from diar.jobs.detect.listed import file_of
from diar.jobs.progress.counters import Counters
from diar.jobs.ranks.stopping import Stopping
from diar.jobs.words.hearing import Asked, Hearing, Recognised
from diar.jobs.words.prepare import shard_rows
from diar.records import OK, RecordingRow, Word
from diar.store.layout import Layout
from diar.store.parquet import StoreError
from diar.store.reader import TracksReader
from diar.store.words import PartialShard, RecognisedRecording, WordsLayout, write_words


class WordsWorker:
    """Turns the recordings of shards into words.

    Args:
        embeddings_dir: the output of stage 1.
        audio_dir: where the audio lies now; None = where stage 1 read it.
        hearing: where words come from.
        metadata: of the words' files.
        counters: of this rank.
        stopping: tells when no further recording is begun.

    Attributes:
        batches: `recognised` by this rank, and `resumed`: stored by an interrupted run.
    """

    def __init__(
        self,
        embeddings_dir: str,
        audio_dir: str | None,
        hearing: Hearing,
        metadata: dict[str, str],
        counters: Counters,
        stopping: Stopping,
    ) -> None:
        self._stopping = stopping
        self._audio_dir, self._hearing = audio_dir, hearing
        self._metadata, self._counters = metadata, counters
        self._extraction, self._layout = Layout(embeddings_dir), WordsLayout(embeddings_dir)
        self._tracks = TracksReader(embeddings_dir)
        self.batches = {"recognised": 0, "resumed": 0}

    def run(self, shard: int) -> None:
        """Do one shard and publish its words; what an interrupted run has stored is kept.

        Where the rank is asked to stop, the shard is left, and with it what is stored of it.
        """
        partial = PartialShard(self._layout, shard)
        recognised = []
        for position, (recording, row) in enumerate(shard_rows(self._extraction, shard)):
            if self._stopping.requested:
                return
            progress = _Progress(self._counters, row, recording.size)
            key = f"{position:05d}"
            recognised.append(self._words(recording, row, shard, partial, key, progress))
            progress.finish()
            self._counters.add("failed", recognised[-1][0].status != OK)
        with self._counters.timing("write_wait_seconds"):
            write_words(self._layout, shard, recognised, self._metadata)
        partial.remove()

    def _words(
        self,
        recording: Recording,
        row: RecordingRow,
        shard: int,
        partial: PartialShard,
        key: str,
        progress: _Progress,
    ) -> Recognised:
        if row.status != OK:
            return RecognisedRecording(row.recording_id, row.status, row.error), []
        if self._audio_dir is not None:
            recording = replace(recording, url=storage.join(self._audio_dir, file_of(row)))
        try:
            tracks = self._tracks.read(row.recording_id, shard).tracks
            progress.signals = max(len(set(tracks.channel.tolist())), 1)

            def remember(part: str) -> Remember:
                return self._remember(partial, f"{key}-{part}", progress)

            return self._hearing.words(Asked(recording, row, tracks, remember, progress.reading))
        except DecodeError as error:
            return RecognisedRecording(row.recording_id, error.kind, str(error)), []
        except UnrecognisedError as error:
            return RecognisedRecording(row.recording_id, "not_recognised", str(error)), []
        except StoreError as error:
            return RecognisedRecording(row.recording_id, "no_tracks", str(error)), []
        except WordsError as error:
            return RecognisedRecording(row.recording_id, "no_words", str(error)), []

    def _remember(self, partial: PartialShard, key: str, progress: _Progress) -> Remember:
        def remember(number: int, recognise: Callable[[], list[Word]]) -> list[Word]:
            name = f"{key}-{number:05d}"
            words = partial.read(name)
            self.batches["resumed" if words is not None else "recognised"] += 1
            if words is None:
                with self._counters.timing("compute_seconds"):
                    words = recognise()
                partial.write(name, words)
            progress.recognised()
            return words

        return remember


class _Progress:
    """How far one recording is, by what is read of it for the batches that are done: hours take minutes.

    Args:
        counters: of this rank.
        row: the recording.
        size: its bytes, as the plan counts them.
    """

    def __init__(self, counters: Counters, row: RecordingRow, size: int) -> None:
        self._counters, self._duration, self._size = counters, row.duration, size
        self._read, self._seconds, self._bytes = 0.0, 0.0, 0
        self.signals = 1  # that are read one after the other

    def reading(self, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Pass on (channels, n) float32 each; count the wait for them, and note how far they go."""
        for block in self._counters.timed("decode_wait_seconds", blocks):
            yield block
            self._read = min(self._read + block.shape[-1] / RATE / self.signals, self._duration)

    def recognised(self) -> None:
        """Count what is read so far: its batches are done."""
        self._advance(self._read)

    def finish(self) -> None:
        """Count what was not read, such as a failed recording."""
        self._advance(self._duration)
        self._counters.add("bytes", self._size - self._bytes)
        self._counters.add("files", 1)

    def _advance(self, seconds: float) -> None:
        share = seconds / self._duration if self._duration > 0 else 0.0
        size = int(self._size * share)
        self._counters.add("audio_seconds", seconds - self._seconds)
        self._counters.add("bytes", size - self._bytes)
        self._seconds, self._bytes = seconds, size
