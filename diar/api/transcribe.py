"""What was said in one recording, and by whom: audio → `Transcript`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from diar.align.assignment import assign_speakers
from diar.align.overlap import overlapped_speech
from diar.api.asked import PresetName, checked
from diar.api.audio import Audio, GivenAudio
from diar.api.diarization import Diarization, of_voice
from diar.api.encoder import Encoder, Once, Segmentation, chosen_encoder, chosen_segmentation, find_device
from diar.api.enhancement import NONE, EnhanceFor, canceller, chosen_denoiser, denoisers
from diar.api.errors import ArgumentError, AudioError
from diar.api.transcript import Transcript
from diar.api.voice import embed_source, find, read_settings
from diar.archive.audio_file import DecodeError
from diar.archive.audio_tracks import AUTO
from diar.archive.channels import choice
from diar.archive.channels.streams import Cancel, open_channels
from diar.asr.open import DEFAULT_RECOGNISER
from diar.asr.open import open_recogniser as open_by_name
from diar.asr.recogniser import RATE, Language, Recogniser, check_language
from diar.asr.recording import Heard, recognise_signal
from diar.enhance.denoiser import Denoiser, denoised
from diar.intervals import at_least
from diar.records import MIXED, RecordingTracks, Tracks, Word

READ, RECOGNISE = "read", "recognise"  # what `on_progress` is told of
OnProgress = Callable[[str, float, float], None]


def open_recogniser(
    asr: str = DEFAULT_RECOGNISER,
    *,
    device: Any = "auto",
    threads: int = 1,
    precision: str | None = None,
    beam_size: int = 5,
) -> Recogniser:
    """Open a recogniser of speech, for `diar.transcribe`.

    Args:
        asr: named weights, a Hugging Face id, or a path, as `diar words --asr` takes them.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        threads: of the CPU.
        precision: of its numbers; None = by device.
        beam_size: hypotheses that are followed; 1 is fastest.

    Raises:
        ArgumentError: no such device.
        DiarError: the weights cannot be had, or the extra `words` is not installed.
    """
    return open_by_name(
        asr, device=str(find_device(device)), threads=threads, precision=precision, beam_size=beam_size
    )


_default_recogniser = Once(open_recogniser)


def transcribe(
    audio: Audio,
    *,
    recogniser: Recogniser | None = None,
    language: str | None = None,
    num_speakers: int | None = None,
    min_speakers: int | None = None,
    max_speakers: int | None = None,
    preset: PresetName = "auto",
    sample_rate: int | None = None,
    encoder: Encoder | None = None,
    segmentation: Segmentation | None = None,
    channel: int | str = choice.AUTO,
    track: int | str = AUTO,
    enhance: str = NONE,
    enhance_for: EnhanceFor = "both",
    enhance_words: str = NONE,
    aec: bool = False,
    batch: int = 4,
    on_progress: OnProgress | None = None,
) -> Transcript:
    """Find what was said in one recording, and by whom, as the commands do on that file alone.

    Args:
        audio, num_speakers, …, aec: as for `diar.diarize`; the recogniser hears no echo, either.
        recogniser: what `diar.open_recogniser` returns; default: `whisper-tiny.en`, opened once a process.
        language: that is spoken, such as `en`; default: found by the first two minutes of speech.
        enhance_words: denoiser before the recogniser.
        batch: half minutes that are recognised at once; 16 suit a GPU.
        on_progress: called with what is done (`read`, then `recognise`), the second that it has reached, and
            the share of the recording (0 where its length is unknown); what it raises ends the call.

    Raises:
        ArgumentError, AudioError: as `diar.diarize`.
        DiarError: networks or recogniser cannot be opened (extra `words`), or it does not know the language.

    >>> import diar; diar.transcribe("meeting.wav").words[0].speaker
    'speaker_0001'
    """
    asked = checked(num_speakers, min_speakers, max_speakers, preset)
    _check(segmentation, batch)
    how = _how(recogniser, _language(language), batch, enhance_words, aec, on_progress)
    opened, speech = chosen_encoder(encoder), chosen_segmentation(segmentation)
    through = denoisers(enhance, enhance_for, opened.sample_rate)
    settings, source = read_settings(opened, channel, track, aec), find(audio, sample_rate, "audio")
    voice = embed_source(source, settings, opened, speech, how.on_read, through)
    return _transcript(source, of_voice(voice, asked), how)


@dataclass(frozen=True)
class _How:
    """How a recording is recognised."""

    recogniser: Recogniser
    language: Language | None
    batch: int
    denoiser: Denoiser | None
    cancel: Cancel | None
    told: OnProgress

    def on_read(self, seconds: float, share: float) -> None:
        """Tell how far the recording is read."""
        self.told(READ, seconds, share)

    def heard(self, blocks: Iterable[np.ndarray]) -> Iterable[np.ndarray]:
        """Return the blocks of one signal without noise."""
        return blocks if self.denoiser is None else denoised(self.denoiser, blocks)


def _how(
    recogniser: Recogniser | None,
    language: Language | None,
    batch: int,
    enhance: str,
    aec: bool,
    on_progress: OnProgress | None,
) -> _How:
    """Open what recognises, before any work."""
    hears, denoiser = recogniser or _default_recogniser.get(), chosen_denoiser(enhance)
    if language is not None:
        check_language(language.code, hears.languages, hears.identity.model)
    return _How(hears, language, batch, denoiser, canceller(aec), on_progress or _tell_nobody)


def _language(language: str | None) -> Language | None:
    if language is None:
        return None
    if not (language.isascii() and language.isalpha() and len(language) in (2, 3)):
        raise ArgumentError(f"`language={language}` is no code of a language, such as en")
    return Language(language.lower())


def _check(segmentation: Segmentation | None, batch: int) -> None:
    if isinstance(segmentation, str):
        raise ArgumentError("`segmentation=none` finds no speech to recognise: leave it out")
    if isinstance(batch, bool) or int(batch) != batch or batch < 1:
        raise ArgumentError(f"`batch={batch}`; a whole number from 1 is needed")


def _tell_nobody(stage: str, seconds: float, share: float) -> None:
    pass


def _signals(source: GivenAudio, stored: RecordingTracks, how: _How) -> Iterator[Heard]:
    """Yield what was recognised in each signal of a recording: in the mixture, or channel by channel."""
    language = how.language
    row, numbers = stored.recording, sorted(set(stored.tracks.channel.tolist())) or [MIXED]
    for done, channel in enumerate(numbers):

        def remember(number: int, recognise: Callable[[], list[Word]], done: int = done) -> list[Word]:
            words = recognise()
            if words:
                how.told(RECOGNISE, words[-1].end, (done + words[-1].end / row.duration) / len(numbers))
            return words

        try:
            track = str(row.audio_track)
            with open_channels(source.recording, RATE, row.channel, track, source.file, how.cancel) as audio:
                heard = recognise_signal(
                    how.heard(block[max(channel, 0)] for block in audio),
                    _speech(stored.tracks, channel),
                    how.recogniser,
                    batch=how.batch,
                    overlap=overlapped_speech(stored.tracks, channel),
                    language=language,
                    channel=channel,
                    remember=remember,
                )
        except DecodeError as error:  # it could be read a moment ago
            raise AudioError(error.kind, str(error)) from None
        language = language or heard.language
        yield heard
    how.told(RECOGNISE, row.duration, 1.0)


def _speech(tracks: Tracks, channel: int) -> np.ndarray:
    """Return (n, 2) seconds where anybody speaks in a channel."""
    return at_least(1, [tracks.take(tracks.channel == channel).active.intervals])


def _transcript(source: GivenAudio, diarization: Diarization, how: _How) -> Transcript:
    stored = diarization.voice.stored
    heard = list(_signals(source, stored, how))
    words = sorted((word for one in heard for word in one.cleaned.words), key=lambda word: word.start)
    assigned = assign_speakers(words, diarization.turns, stored)
    return Transcript(diarization, assigned, heard, how.recogniser.identity)
