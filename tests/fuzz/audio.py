"""Audio files of eight codecs, changed; every one must become chunks and a row, whatever is in it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import soundfile as sf

from diar.archive.recording import Recording
from diar.embedding.chunks import ChunkSettings
from diar.reading import ReadSettings, read_recording
from diar.records import RecordingRow
from tests.fuzz.runner import Target

RATE, SECONDS = 16_000, 2
_SHARE = 0.06  # of the cases: one takes ten times as long as those of texts, and there are eight codecs
_BY_SOUNDFILE = {
    "wav": ("WAV", "PCM_16"),
    "flac": ("FLAC", "PCM_16"),
    "aiff": ("AIFF", "PCM_24"),
    "ogg": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
}
_BY_FFMPEG = {"m4a": ("mp4", "aac"), "mka": ("matroska", "ac3")}


def audio_targets() -> Iterator[Target]:
    """Yield a target a codec."""
    for suffix, (container, coding) in _BY_SOUNDFILE.items():
        buffer = io.BytesIO()
        sf.write(buffer, _samples(), RATE, format=container, subtype=coding)
        yield Target(suffix, [buffer.getvalue()], f"a.{suffix}", _read, share=_SHARE)
    for suffix, (container, codec) in _BY_FFMPEG.items():
        yield Target(suffix, [_encoded(container, codec)], f"a.{suffix}", _read, share=_SHARE)


def _samples() -> np.ndarray:
    rng = np.random.default_rng(0)
    return 0.1 * np.sin(np.arange(SECONDS * RATE) * 0.05) + 0.01 * rng.standard_normal(SECONDS * RATE)


def _encoded(container: str, codec: str) -> bytes:
    buffer, rate = io.BytesIO(), 48_000
    with av.open(buffer, "w", format=container) as file:
        stream = file.add_stream(codec, rate=rate)
        stream.layout = "mono"
        samples = np.repeat(_samples(), rate // RATE).astype(np.float32)[None]
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        frame.sample_rate, frame.pts = rate, 0
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            file.mux(packet)
    return buffer.getvalue()


def _read(path: Path) -> None:
    settings = ReadSettings(ChunkSettings.from_seconds(RATE, 30.0, 1.0, 0.5), max_hours=0.5)
    *_, row = read_recording(Recording(path.name, str(path), path.stat().st_size, 0.0), settings)
    assert isinstance(row, RecordingRow)
    assert row.status != "error", row.error  # a reason of its own, no foreign exception
