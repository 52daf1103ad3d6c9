"""Glimpses of a file: all channels of a few seconds from several places, without decoding the rest."""

from __future__ import annotations

from collections.abc import Iterator

import av
import numpy as np
import soundfile as sf
from av.error import FFmpegError

from diar.archive.audio_file import AudioFile, Nameless
from diar.archive.decoders.frame_samples import frame_samples

_EVERY_ERROR = (FFmpegError, sf.LibsndfileError)  # the decoder reports them, a glimpse only ends


def places(start: float, end: float, most: int, seconds: float) -> list[tuple[float, float]]:
    """Return (start, seconds) of up to `most` glimpses, evenly over [start, end).

    Together they cover at most half of [start, end), but there are at least half of `most`.
    """
    whole = end - start
    count = min(most, max(most // 2, round(whole / seconds / 2)))
    if whole <= count * seconds:
        return [(start, whole)]
    spacing = whole / count
    return [(start + spacing * i + (spacing - seconds) / 2, seconds) for i in range(count)]


def soundfile_glimpses(
    sound: sf.SoundFile, wanted: list[tuple[float, float]]
) -> Iterator[tuple[np.ndarray, int]]:
    """Yield (channels, n) float32 and its rate at each of `wanted`, by libsndfile; end at damage."""
    try:
        for start, seconds in wanted:
            sound.seek(min(round(start * sound.samplerate), sound.frames))
            samples = sound.read(round(seconds * sound.samplerate), dtype="float32", always_2d=True)
            if len(samples):
                yield samples.T, sound.samplerate
    except _EVERY_ERROR:
        return


def ffmpeg_glimpses(
    file: AudioFile, track: int, wanted: list[tuple[float, float]]
) -> Iterator[tuple[np.ndarray, int]]:
    """Yield the same for one audio track by FFmpeg; without seeking in a container, the file's beginning."""
    with file.open() as handle:
        try:
            options = {"protocol_whitelist": "none"}
            with av.open(Nameless(handle), "r", metadata_errors="ignore", options=options) as container:
                if track >= len(container.streams.audio):
                    return  # frames among foreign data, or a track that begins late
                stream = container.streams.audio[track]
                if stream.codec_context is None:
                    return  # FFmpeg has no decoder for it
                stream.codec_context.thread_count = 1
                origin = container.start_time or 0
                for start, seconds in wanted:
                    if start > 0:
                        container.seek(origin + round(start * av.time_base))
                    pieces, rate = _decoded(container, stream, seconds)
                    if pieces:
                        yield np.concatenate(pieces, axis=1)[:, : round(seconds * rate)], rate
        except _EVERY_ERROR:
            return


def _decoded(
    container: av.container.InputContainer, stream: av.AudioStream, seconds: float
) -> tuple[list[np.ndarray], int]:
    """Return `seconds` of frames from here on, of one rate and number of channels, and that rate."""
    pieces: list[np.ndarray] = []
    rate = count = 0
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except FFmpegError:
            continue  # the decoder reports damage
        for frame in frames:
            samples = frame_samples(frame)
            if pieces and (len(samples) != len(pieces[0]) or frame.sample_rate != rate):
                return pieces, rate
            rate = frame.sample_rate
            pieces.append(samples)
            count += samples.shape[1]
        if count >= seconds * rate > 0:
            break
    return pieces, rate
