"""One rank's work: the recordings of a shard to words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from diar import storage
from diar.archive.audio_file import DecodeError
from diar.archive.recording import Recording
from diar.asr.recording import Remember
from diar.formats.words.reading import WordsError
from diar.jobs.detect.listed import file_of
from diar.jobs.progress.counters import Counters
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
    """

    def __init__(
        self,
        embeddings_dir: str,
        audio_dir: str | None,
        hearing: Hearing,
        metadata: dict[str, str],
        counters: Counters,
    ) -> None:
        self._audio_dir, self._hearing = audio_dir, hearing
        self._metadata, self._counters = metadata, counters
        self._extraction, self._layout = Layout(embeddings_dir), WordsLayout(embeddings_dir)
        self._tracks = TracksReader(embeddings_dir)

    def run(self, shard: int) -> None:
        """Do one shard and publish its words; what an interrupted run has stored is kept."""
        partial = PartialShard(self._layout, shard)
        recognised = []
        for position, (recording, row) in enumerate(shard_rows(self._extraction, shard)):
            recognised.append(self._words(recording, row, shard, partial, f"{position:05d}"))
            self._counters.add("audio_seconds", row.duration)
            self._counters.add("files", 1)
            self._counters.add("bytes", recording.size)
            self._counters.add("failed", recognised[-1][0].status != OK)
        with self._counters.timing("write_step"):
            write_words(self._layout, shard, recognised, self._metadata)
        partial.remove()

    def _words(
        self, recording: Recording, row: RecordingRow, shard: int, partial: PartialShard, key: str
    ) -> Recognised:
        if row.status != OK:
            return RecognisedRecording(row.recording_id, row.status, row.error), []
        if self._audio_dir is not None:
            recording = replace(recording, url=storage.join(self._audio_dir, file_of(row)))
        try:
            tracks = self._tracks.read(row.recording_id, shard).tracks
            asked = Asked(recording, row, tracks, lambda part: self._remember(partial, f"{key}-{part}"))
            return self._hearing.words(asked)
        except DecodeError as error:
            return RecognisedRecording(row.recording_id, error.kind, str(error)), []
        except StoreError as error:
            return RecognisedRecording(row.recording_id, "no_tracks", str(error)), []
        except WordsError as error:
            return RecognisedRecording(row.recording_id, "no_words", str(error)), []

    def _remember(self, partial: PartialShard, key: str) -> Remember:
        def remember(number: int, recognise: Callable[[], list[Word]]) -> list[Word]:
            name = f"{key}-{number:05d}"
            words = partial.read(name)
            if words is None:
                with self._counters.timing("compute_seconds"):
                    words = recognise()
                partial.write(name, words)
            return words

        return remember
