"""Choice of the audio track in files with several: films, lectures with translations, recorders."""

from __future__ import annotations

from dataclasses import dataclass

import av
from av.stream import Disposition

from diar.archive.audio_file import AudioFile
from diar.archive.channels.spectra import spectra, speech_score
from diar.archive.glimpses import ffmpeg_glimpses, places
from diar.archive.languages import same_language

AUTO = "auto"
_PLACES, _SECONDS = 3, 4.0  # glimpses of a track, and the length of each
_CLEARLY = 1.25  # ratio of two `speech_score`s from which the tracks differ
_UNTAGGED = (None, "", "und")


@dataclass(frozen=True)
class TrackChoice:
    """The audio track to read.

    Attributes:
        number: among the audio tracks, from 0.
        count: audio tracks in the file.
        note: which track was chosen and why, in words; empty if there was no choice.
    """

    number: int = 0
    count: int = 1
    note: str = ""


def only_track(file: AudioFile, wanted: str) -> TrackChoice:
    """Return the track of a file that can have only one, such as WAV.

    Raises:
        DecodeError: `bad_track`, if another number is wanted.
    """
    if wanted.isdecimal() and int(wanted) > 0:
        raise file.error("bad_track", _missing(wanted, 1))
    if wanted == AUTO or wanted.isdecimal():
        return TrackChoice()
    return TrackChoice(note=_untagged(wanted))


def choose_track(container: av.container.InputContainer, file: AudioFile, wanted: str) -> TrackChoice:
    """Choose the track to read of an open container, which has at least one audio track.

    Args:
        container: as FFmpeg opened it.
        file: the same file, to look into each track if nothing else decides.
        wanted: `auto`, a number among the audio tracks (from 0), or a language tag.

    Raises:
        DecodeError: `bad_track`, if the file has no such track.
    """
    streams = container.streams.audio
    count = len(streams)
    if wanted.isdecimal():
        if int(wanted) >= count:
            raise file.error("bad_track", _missing(wanted, count))
        return _noted(int(wanted), count, "as asked for")
    if wanted != AUTO:
        return _by_language(container, file, wanted)
    if count == 1:
        return TrackChoice()
    marked = [i for i, stream in enumerate(streams) if stream.disposition & Disposition.default]
    if len(marked) == 1:
        return _noted(marked[0], count, "which the file marks as its default")
    return _by_speech(container, file)


def _by_language(container: av.container.InputContainer, file: AudioFile, wanted: str) -> TrackChoice:
    streams = container.streams.audio
    tags = [stream.language for stream in streams]
    fitting = [i for i, tag in enumerate(tags) if tag not in _UNTAGGED and same_language(tag or "", wanted)]
    if fitting:
        fitting.sort(key=lambda i: not streams[i].disposition & Disposition.default)
        return _noted(fitting[0], len(streams), f"whose language is {tags[fitting[0]]}")
    if len(streams) == 1 and tags[0] in _UNTAGGED:
        return TrackChoice(note=_untagged(wanted))
    there = ", ".join(tag or "no language" for tag in tags)
    raise file.error("bad_track", f"no audio track in language {wanted!r}, only {there}; give a number")


def _by_speech(container: av.container.InputContainer, file: AudioFile) -> TrackChoice:
    """Choose the track most like speech; among nearly equal tracks FFmpeg's best one, else the first."""
    streams = container.streams.audio
    end = (container.duration or 0) / av.time_base
    wanted = places(0.0, end or _PLACES * _SECONDS, _PLACES, _SECONDS)
    scores = [_speech_in(file, number, wanted) for number in range(len(streams))]
    most = max(scores)
    alike = [number for number, score in enumerate(scores) if score * _CLEARLY >= most]
    best = container.streams.best("audio")
    first_best = next((i for i, stream in enumerate(streams) if best and stream.index == best.index), 0)
    number = first_best if first_best in alike else alike[0]
    if most == 0.0 or len(alike) == len(scores):
        return _noted(number, len(streams), "since no track is more like speech than the others")
    return _noted(number, len(streams), "which is most like speech")


def _speech_in(file: AudioFile, number: int, wanted: list[tuple[float, float]]) -> float:
    """Return the highest `speech_score` of a track's channels."""
    seen = spectra(ffmpeg_glimpses(file, number, wanted))
    if seen is None:
        return 0.0
    return max(speech_score(channel, seen.hertz, seen.glimpse) for channel in seen.bins)


def _noted(number: int, count: int, why: str) -> TrackChoice:
    if count == 1:
        return TrackChoice(number, count)
    return TrackChoice(
        number, count, f"{count} audio tracks; track {number} is read, {why} (track=N takes another)"
    )


def _untagged(wanted: str) -> str:
    return f"language {wanted!r} asked for; its one audio track has no language tag and is read"


def _missing(wanted: str, count: int) -> str:
    return f"audio track {wanted} asked for, but it has {count} (numbered from 0)"
