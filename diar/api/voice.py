"""One recording → its tracks and its vector; how alike two voices are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy.special import expit

from diar.api.audio import Audio, GivenAudio, find_source, is_waveform
from diar.api.encoder import Encoder, Segmentation, chosen_encoder, chosen_segmentation
from diar.api.enhancement import NONE, EnhanceFor, canceller, denoisers
from diar.api.errors import ArgumentError, AudioError
from diar.archive.audio_file import DecodeError
from diar.archive.audio_tracks import AUTO
from diar.archive.channels import choice
from diar.detect.linking.evidence import CAMPPLUS
from diar.embedding.chunks import Chunk
from diar.embedding.denoisers import Denoisers
from diar.embedding.recording import embed_recording
from diar.models.defaults import DEFAULT_ENCODER
from diar.reading import ReadSettings, embedded_row, read_recording
from diar.records import OK, RecordingRow, RecordingTracks, Tracks
from diar.store.remarks import file_remarks, no_speech
from diar.store.schema import tracks_of, tracks_table, windows_from_lists, windows_to_lists
from diar.wording import counted


class Voice:
    """What an encoder makes of one recording. `embed` and `Archive` give one.

    Attributes:
        stored: all of it, as stage 1 stores it.
    """

    def __init__(self, stored: RecordingTracks) -> None:
        self.stored = stored

    def __repr__(self) -> str:
        return f"Voice({self.id!r}, {self.duration:.1f} s, {counted(len(self.tracks), 'track')})"

    @property
    def id(self) -> str:
        """Name of the recording: its file's, or `audio`."""
        return self.stored.recording.recording_id

    @property
    def vector(self) -> np.ndarray:
        """(D,) float32, L2-normalised: the mean voice over all single-speaker speech of the recording."""
        vector = self.stored.recording.embedding
        assert vector is not None  # only recordings that were embedded become voices
        return vector

    @property
    def tracks(self) -> Tracks:
        """Local speakers in seg_windows, and sliding windows, each with its embedding."""
        return self.stored.tracks

    @property
    def duration(self) -> float:
        """Seconds of the recording."""
        return self.stored.recording.duration

    @property
    def speech_seconds(self) -> float:
        """Seconds in which anybody speaks; the duration where no segmentation was used."""
        return self.stored.recording.speech_seconds

    @property
    def overlap_seconds(self) -> float:
        """Seconds of them in which two or more speak."""
        return self.stored.recording.overlap_seconds

    @property
    def encoder(self) -> str:
        """Name of the encoder."""
        return self.stored.metadata["model"]

    @property
    def warnings(self) -> list[str]:
        """What a person should know of the recording, in words."""
        row = self.stored.recording
        return [*([] if row.speech_seconds else [no_speech(row)]), *file_remarks(row)]


def embed(
    audio: Audio,
    *,
    sample_rate: int | None = None,
    encoder: Encoder | None = None,
    segmentation: Segmentation | Literal["none"] | None = None,
    channel: int | str = choice.AUTO,
    track: int | str = AUTO,
    enhance: str = NONE,
    enhance_for: EnhanceFor = "both",
    aec: bool = False,
    on_read: Callable[[float, float], None] | None = None,
) -> Voice:
    """Embed one recording: what stage 1 stores of a file.

    Args:
        audio: a path or URL; a waveform (samples,) or (channels, samples), NumPy or PyTorch, in ±1 or int16;
            or a file opened with 'rb'.
        sample_rate: Hz; needed for a waveform, and for nothing else.
        encoder: what `diar.open_encoder` returns; default: `campplus-zh-en`, opened once a process.
        segmentation: what `diar.open_segmentation` returns; default: its default, opened once a process;
            `none`: all is taken for speech of one person.
        channel: `auto`, `mix` (the mean of all), `each` (every channel apart), or a number from 0.
        track: audio track of a video: `auto`, a number from 0, or a language such as `eng`.
        enhance: denoiser before the networks: `gtcrn`, or `none`; docs/enhancement.md says where it helps.
        enhance_for: which networks hear what it makes: `both`, `segmentation`, `embedding`.
        aec: take from each side of a two-channel call the echo of the other, where channels are read apart.
        on_read: called as the recording is read, with the seconds so far and their share of it (0 where its
            length is unknown); what it raises ends the call.

    Raises:
        ArgumentError: an argument that cannot be used.
        AudioError: audio that gives no embedding; `kind` says why.
        DiarError: the default networks cannot be opened.

    >>> import diar, numpy as np
    >>> noise = 0.1 * np.random.default_rng(0).standard_normal(16_000)
    >>> voice = diar.embed(noise, sample_rate=16_000)
    >>> voice.vector.shape, voice.duration
    ((192,), 1.0)
    """
    opened, speech = chosen_encoder(encoder), chosen_segmentation(segmentation)
    settings, through = (
        read_settings(opened, channel, track, aec),
        denoisers(enhance, enhance_for, opened.sample_rate),
    )
    return embed_source(find(audio, sample_rate, "audio"), settings, opened, speech, on_read, through)


def read_settings(encoder: Encoder, channel: int | str, track: int | str, aec: bool = False) -> ReadSettings:
    """Return how a recording is read for an encoder; raises ArgumentError."""
    chunks = encoder.embedder(None).settings
    named = _checked_channel(channel), _checked_track(track)
    return ReadSettings(chunks, named[0], track=named[1], cancel=canceller(aec))


@dataclass(frozen=True)
class Similarity:
    """How alike two voices are.

    Attributes:
        cosine: of the two vectors, -1 … 1.
        log_ratio: natural logarithm of p(cosine | one speaker) / p(cosine | two speakers); None where the
            encoder is not calibrated.
        probability: that it is one speaker, where one and two were equally likely before; None likewise.
    """

    cosine: float
    log_ratio: float | None
    probability: float | None


def similarity(
    first: Audio | Voice,
    second: Audio | Voice,
    *,
    sample_rate: int | None = None,
    encoder: Encoder | None = None,
    segmentation: Segmentation | Literal["none"] | None = None,
) -> Similarity:
    """Compare the voices of two recordings of one speaker each.

    The probability takes the seconds of single-speaker speech into account and holds for equal priors; among
    a thousand candidates, compare `log_ratio` with log(1000). Its constants are those of clean wide-band
    speech by `campplus-zh-en` (docs/decisions/032-linking-recordings.md): others have none. Telephones
    and far microphones make strangers more alike, and relatives exist; it is no evidence for a court. A
    recording of several speakers has a mixed vector: compare what `diarize` finds.

    Args:
        first: audio as for `embed`, or what `embed` returned.
        second: likewise.
        sample_rate: Hz; of those that are waveforms.
        encoder: as for `embed`.
        segmentation: as for `embed`.

    Raises:
        ArgumentError: voices of different encoders, or as `embed`.
        AudioError: as `embed`.
    """
    if sample_rate is not None and not (is_waveform(first) or is_waveform(second)):
        raise ArgumentError("`sample_rate` belongs to a waveform; neither `first` nor `second` is one")
    if isinstance(first, Voice) and isinstance(second, Voice) and (encoder or segmentation):
        raise ArgumentError("`first` and `second` are embedded already: give `encoder` to `diar.embed`")
    voices = [
        _voice_of(given, sample_rate, encoder, segmentation, parameter)
        for given, parameter in ((first, "first"), (second, "second"))
    ]
    models = [voice.stored.metadata["model_sha256"] for voice in voices]
    if models[0] != models[1]:
        names = f"`first` was embedded by {voices[0].encoder}, `second` by {voices[1].encoder}"
        raise ArgumentError(f"{names}; embed both with one encoder")
    cosine = float(voices[0].vector @ voices[1].vector)
    if voices[0].encoder != DEFAULT_ENCODER:
        return Similarity(cosine, None, None)
    seconds = [voice.speech_seconds - voice.overlap_seconds for voice in voices]
    ratio = CAMPPLUS.ratio_at(cosine, *seconds)
    return Similarity(cosine, ratio, float(expit(ratio)))


def _voice_of(
    given: Audio | Voice,
    sample_rate: int | None,
    encoder: Encoder | None,
    segmentation: Segmentation | Literal["none"] | None,
    parameter: str,
) -> Voice:
    if isinstance(given, Voice):
        return given
    source = find(given, sample_rate if is_waveform(given) else None, parameter)
    opened = chosen_encoder(encoder)
    settings = ReadSettings(opened.embedder(None).settings)
    return embed_source(source, settings, opened, chosen_segmentation(segmentation))


def find(audio: Audio, sample_rate: int | None, parameter: str) -> GivenAudio:
    """Return the recording that a caller gave, as `find_source`; raises AudioError for an empty one."""
    try:
        return find_source(audio, sample_rate, parameter)
    except DecodeError as error:
        raise AudioError(error.kind, str(error)) from None


def embed_source(
    source: GivenAudio,
    settings: ReadSettings,
    encoder: Encoder,
    segmentation: Segmentation | None,
    on_read: Callable[[float, float], None] | None = None,
    through: Denoisers = Denoisers(),  # noqa: B008 - it never changes
) -> Voice:
    """Embed a recording that was found, heard through denoisers; raises AudioError."""
    row = RecordingRow(source.recording.recording_id, source.recording.url)

    def chunks() -> Iterator[Chunk]:
        nonlocal row
        for item in read_recording(source.recording, settings, source.file):
            if isinstance(item, RecordingRow):
                row = item
            else:
                if on_read is not None:
                    on_read(item.chunk.end / settings.chunks.rate, item.share)
                yield item.chunk

    made = embed_recording(chunks(), encoder.embedder(segmentation).with_denoisers(through))
    if made is not None and row.status == OK:
        row = embedded_row(row, made)
    if made is None or row.status != OK:
        told = row.error if row.error.startswith(row.path) else f"{row.path}: {row.error}"
        raise AudioError(row.status, told)
    tracks = as_stored(row.recording_id, made.tracks)
    return Voice(RecordingTracks.of(row, tracks, encoder.metadata(segmentation)))


def as_stored(recording_id: str, tracks: Tracks) -> Tracks:
    """Return tracks as the Parquet file would hold them: embeddings and windows are rounded there."""
    windows = windows_from_lists(windows_to_lists(tracks.windows))
    return tracks_of(tracks_table([(recording_id, tracks)]), windows)


def _checked_channel(channel: Any) -> str:
    if str(channel) in (choice.AUTO, choice.MIX, choice.EACH) or str(channel).isdecimal():
        return str(channel)
    raise ArgumentError(f"`channel={channel}` is not auto, mix, each or a number counted from 0")


def _checked_track(track: Any) -> str:
    if str(track) and all(part.isalnum() for part in str(track).replace("_", "-").split("-")):
        return str(track)
    raise ArgumentError(f"`track={track}` is not auto, a number counted from 0 or a language such as eng")
