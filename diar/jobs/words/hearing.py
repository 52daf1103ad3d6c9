"""Where the words of a recording come from: a recogniser that hears it, or files that exist already."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np

from diar.align.cleaning import clean
from diar.align.overlap import overlapped_speech
from diar.archive.channels.choice import EACH, MIX
from diar.archive.channels.streams import Cancel, ChannelStreams, open_channels
from diar.archive.recording import Recording
from diar.asr.languages import LANGUAGES, language_code
from diar.asr.recogniser import RATE, Identity, Language, Recogniser
from diar.asr.recording import Heard, Remember, recognise_signal
from diar.enhance.denoiser import Denoiser, denoised
from diar.errors import DiarError
from diar.formats.words.reading import WordsError, read_words, readable_suffixes
from diar.intervals import at_least
from diar.jobs.stalls import Patience, watched
from diar.models.weights.checksum import file_sha256
from diar.reading import found_file
from diar.records import MIXED, RecordingRow, Tracks, Word
from diar.remote.cache import FileCache
from diar.store.parquet import StoreError
from diar.store.words import RecognisedRecording

Recognised = tuple[RecognisedRecording, list[Word]]
ENGINE_OF_FILES = "import"


@dataclass(frozen=True)
class Asked:
    """One recording whose words are wanted."""

    recording: Recording
    row: RecordingRow
    tracks: Tracks
    remember: Callable[[str], Remember]  # of a part of the recording, by name; see diar/asr/recording.py
    reading: Callable[[Iterable[np.ndarray]], Iterator[np.ndarray]] = iter  # counts what is read


class Hearing(Protocol):
    """A source of words."""

    identity: Identity

    def words(self, asked: Asked) -> Recognised:
        """Return the words of one recording.

        Raises:
            DecodeError: the audio cannot be read.
            StoreError: the index says of it what stage 1 does not write.
        """


class RecognisedWords:
    """Words that a recogniser hears.

    Args:
        recogniser: on this rank's device.
        batch: pieces that are recognised at once.
        language: of all recordings; None = the recogniser tells.
        denoiser: what the recogniser hears the recording through.
        cache: of remote recordings.
        cancel: takes the echo from the sides of a call before.
        stall_timeout: seconds without any audio, after which a recording fails.
    """

    def __init__(
        self,
        recogniser: Recogniser,
        batch: int,
        language: str | None,
        denoiser: Denoiser | None = None,
        cache: FileCache | None = None,
        cancel: Cancel | None = None,
        stall_timeout: float = 300.0,
    ) -> None:
        self._denoiser, self._cache, self._cancel = denoiser, cache, cancel
        self._stall_timeout = stall_timeout
        self.identity = recogniser.identity
        self._recogniser, self._batch = recogniser, batch
        self._language = None if language is None else Language(language)

    def words(self, asked: Asked) -> Recognised:
        """Return the words of all channels that stage 1 read apart, or of the recording as one signal."""
        signals = list(self._signals(asked))
        words = sorted((word for one in signals for word in one.cleaned.words), key=lambda word: word.start)
        language = next((one.language for one in signals if one.language is not None), None)
        told = RecognisedRecording(
            asked.row.recording_id,
            language=None if language is None else language.code,
            language_probability=None if language is None else language.probability,
            seconds=sum(one.seconds for one in signals),
            outside_speech=sum(one.cleaned.outside_speech for one in signals),
            repeated=sum(one.cleaned.repeated for one in signals),
        )
        return told, words

    @contextmanager
    def _open(self, asked: Asked) -> Iterator[ChannelStreams]:
        recording, channel, track = asked.recording, asked.row.channel, str(asked.row.audio_track)
        with (
            found_file(recording.url, self._cache) as file,
            open_channels(recording, RATE, channel, track, file, self._cancel) as audio,
        ):
            yield audio

    def _signals(self, asked: Asked) -> Iterator[Heard]:
        language, row = self._language, asked.row
        if row.channel not in (MIX, EACH) and not row.channel.isdecimal():
            raise StoreError(
                f"{row.channel!r} in the index is no channel: run stage 1 again, or `diar verify`"
            )
        for channel in sorted(set(asked.tracks.channel.tolist())) or [MIXED]:
            patience = Patience(self._stall_timeout, asked.recording.size)
            with watched(partial(self._open, asked), patience, row.recording_id) as audio:
                blocks: Iterable[np.ndarray] = (block[max(channel, 0)] for block in asked.reading(audio))
                if self._denoiser is not None:
                    blocks = denoised(self._denoiser, blocks)
                heard = recognise_signal(
                    blocks,
                    _speech(asked.tracks, channel),
                    self._recogniser,
                    batch=self._batch,
                    overlap=overlapped_speech(asked.tracks, channel),
                    language=language,
                    channel=channel,
                    remember=asked.remember(str(max(channel, 0))),
                )
            language = language or heard.language
            yield heard


class ImportedWords:
    """Words that somebody else recognised.

    Args:
        place: a file that names its recordings, or a folder with a file a recording, named as it is in the
            archive, with the suffix replaced or appended (`talks/monday.wav` → `talks/monday.json`).
        language: code, of all words; None = as each file says.

    Raises:
        DiarError: nothing is there, or no such language.
        WordsError: the file cannot be read, or names no recordings.
    """

    def __init__(self, place: str, language: str | None = None) -> None:
        self._place, self._language = Path(place), language
        if not self._place.exists():
            raise DiarError(f"`words={place}` does not exist")
        if language is not None and language not in LANGUAGES.values():
            raise DiarError(f"`language={language}` is no code of a language, such as en")
        one_file = self._place.is_file()
        self._all = read_words(self._place) if one_file else None
        if self._all is not None and None in self._all.recordings:
            raise WordsError(
                f"`words={place}` does not say which recording its words are of: give a folder with a file a "
                "recording, named as it is in the archive"
            )
        self.identity = Identity(ENGINE_OF_FILES, place, file_sha256(self._place) if one_file else None)

    def words(self, asked: Asked) -> Recognised:
        """Return the recording's words in its speech; status `no_words` where there is no file of it.

        A channel that a file names counts where stage 1 read the channels apart.
        """
        recording_id = asked.row.recording_id
        found, named = self._find(recording_id)
        if found is None:
            return RecognisedRecording(recording_id, "no_words", f"{self._place} has no words of it"), []
        channels = range(asked.row.channels) if asked.row.channel == EACH else ()
        placed = [word if word.channel in channels else replace(word, channel=MIXED) for word in found]
        cleaned = [
            clean([word for word in placed if word.channel == channel], _speech(asked.tracks, channel))
            for channel in sorted({word.channel for word in placed})
        ]
        told = RecognisedRecording(
            recording_id,
            language=self._language or named,
            outside_speech=sum(one.outside_speech for one in cleaned),
            repeated=sum(one.repeated for one in cleaned),
        )
        return told, sorted((w for one in cleaned for w in one.words), key=lambda word: word.start)

    def _find(self, recording_id: str) -> tuple[list[Word] | None, str | None]:
        """Return the words of a recording, None if there is no file of it, and their language."""
        if self._all is not None:
            return self._all.recordings.get(recording_id), language_code(self._all.language or "")
        for stem in (recording_id, recording_id.rpartition(".")[0]):
            for suffix in readable_suffixes():
                file = self._place / f"{stem}{suffix}"
                if file.is_file():
                    found = read_words(file)
                    words = [word for own in found.recordings.values() for word in own]
                    return words, language_code(found.language or "")
        return None, None


def _speech(tracks: Tracks, channel: int) -> np.ndarray:
    """Return (n, 2) seconds where anybody speaks in a channel, MIXED: in any."""
    own = tracks if channel == MIXED else tracks.take(tracks.channel == channel)
    return at_least(1, [own.active.intervals])
