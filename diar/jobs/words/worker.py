"""One rank's work: the recordings of a shard to words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from diar import storage
from diar.archive.audio_file import DecodeError
from diar.archive.channels.streams import open_channels
from diar.archive.recording import Recording
from diar.asr.recogniser import RATE, Language, Recogniser
from diar.asr.recording import Heard, recognise_signal
from diar.intervals import at_least
from diar.jobs.detect.listed import file_of
from diar.jobs.progress.counters import Counters
from diar.jobs.words.config import WordsConfig
from diar.jobs.words.prepare import shard_rows
from diar.records import MIXED, OK, RecordingRow, Tracks, Word
from diar.store.layout import Layout
from diar.store.parquet import StoreError
from diar.store.reader import TracksReader
from diar.store.words import PartialShard, RecognisedRecording, WordsLayout, write_words

Recognised = tuple[RecognisedRecording, list[Word]]


class WordsWorker:
    """Recognises shards.

    Args:
        config: the run's options.
        recogniser: on this rank's device.
        batch: pieces that are recognised at once.
        metadata: of the words' files.
        counters: of this rank.
    """

    def __init__(
        self,
        config: WordsConfig,
        recogniser: Recogniser,
        batch: int,
        metadata: dict[str, str],
        counters: Counters,
    ) -> None:
        self._config, self._recogniser, self._batch = config, recogniser, batch
        self._metadata, self._counters = metadata, counters
        self._extraction, self._layout = Layout(config.embeddings_dir), WordsLayout(config.embeddings_dir)
        self._tracks = TracksReader(config.embeddings_dir)

    def run(self, shard: int) -> None:
        """Recognise one shard and publish its words; what an interrupted run has stored is kept."""
        partial = PartialShard(self._layout, shard)
        recognised = []
        for position, (recording, row) in enumerate(shard_rows(self._extraction, shard)):
            recognised.append(self._recognise(recording, row, shard, partial, position))
            self._counters.add("files", 1)
            self._counters.add("bytes", recording.size)
            self._counters.add("failed", recognised[-1][0].status != OK)
        with self._counters.timing("write_step"):
            write_words(self._layout, shard, recognised, self._metadata)
        partial.remove()

    def _recognise(
        self, recording: Recording, row: RecordingRow, shard: int, partial: PartialShard, position: int
    ) -> Recognised:
        if row.status != OK:
            return RecognisedRecording(row.recording_id, row.status, row.error), []
        if self._config.audio_dir is not None:
            url = storage.join(self._config.audio_dir, file_of(row))
            recording = replace(recording, url=url)
        try:
            tracks = self._tracks.read(row.recording_id, shard).tracks
            signals = list(self._signals(recording, row, tracks, partial, f"{position:05d}"))
        except DecodeError as error:
            return RecognisedRecording(row.recording_id, error.kind, str(error)), []
        except StoreError as error:
            return RecognisedRecording(row.recording_id, "no_tracks", str(error)), []
        return _combine(row.recording_id, signals)

    def _signals(
        self, recording: Recording, row: RecordingRow, tracks: Tracks, partial: PartialShard, key: str
    ) -> Iterator[Heard]:
        """Yield what is heard in each channel that stage 1 read apart, or in the recording as one signal."""
        language = None if self._config.language is None else Language(self._config.language)
        channels = sorted(set(tracks.channel.tolist())) or [MIXED]
        for channel in channels:
            with open_channels(recording, RATE, row.channel, str(row.audio_track)) as audio:
                heard = recognise_signal(
                    (block[max(channel, 0)] for block in audio),
                    _speech(tracks, channel),
                    self._recogniser,
                    batch=self._batch,
                    language=language,
                    channel=channel,
                    remember=self._remember(partial, f"{key}-{max(channel, 0)}"),
                )
            language = language or heard.language
            self._counters.add("audio_seconds", row.duration / len(channels))
            yield heard

    def _remember(
        self, partial: PartialShard, key: str
    ) -> Callable[[int, Callable[[], list[Word]]], list[Word]]:
        def remember(number: int, recognise: Callable[[], list[Word]]) -> list[Word]:
            name = f"{key}-{number:05d}"
            words = partial.read(name)
            if words is None:
                with self._counters.timing("compute_seconds"):
                    words = recognise()
                partial.write(name, words)
            return words

        return remember


def _speech(tracks: Tracks, channel: int) -> np.ndarray:
    """Return (n, 2) seconds where anybody speaks in a channel."""
    return at_least(1, [tracks.take(tracks.channel == channel).active.intervals])


def _combine(recording_id: str, signals: list[Heard]) -> Recognised:
    words = sorted((word for one in signals for word in one.cleaned.words), key=lambda word: word.start)
    language = next((one.language for one in signals if one.language is not None), None)
    told = RecognisedRecording(
        recording_id,
        language=None if language is None else language.code,
        language_probability=None if language is None else language.probability,
        seconds=sum(one.seconds for one in signals),
        outside_speech=sum(one.cleaned.outside_speech for one in signals),
        repeated=sum(one.cleaned.repeated for one in signals),
    )
    return told, words
