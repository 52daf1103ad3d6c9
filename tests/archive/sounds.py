"""Audio files made at test time."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile as sf

from diar.archive.recording import Recording

RATE = 16_000


def tone(seconds: float, rate: int = RATE, frequencies: tuple[float, ...] = (440.0,)) -> np.ndarray:
    """A sine of amplitude 0.5 a channel, (n, channels) float32."""
    time = np.arange(round(seconds * rate)) / rate
    return np.stack([0.5 * np.sin(2 * np.pi * f * time) for f in frequencies], axis=1).astype(np.float32)


def speechlike(seconds: float, rate: int = RATE, seed: int = 0) -> np.ndarray:
    """Noise with a moving tone, (n,) float32: no two parts are alike."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    sweep = 0.3 * np.sin(2 * np.pi * (200 + 40 * time) * time)
    return (sweep + 0.05 * rng.standard_normal(len(time))).astype(np.float32)


def strongest_frequency(samples: np.ndarray, rate: int) -> float:
    """Hz."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * rate / len(samples))


def recording_of(path: Path, offset: float = 0.0, duration: float | None = None) -> Recording:
    return Recording(path.name, str(path), path.stat().st_size, 0.0, offset, duration)


def encode(path: Path, samples: np.ndarray, rate: int, codec: str, container: str, **options: str) -> Path:
    """Encode (n, channels) float32 by FFmpeg; skips the test where this PyAV has no such encoder."""
    try:
        av.codec.Codec(codec, "w")
    except av.codec.codec.UnknownCodecError:
        pytest.skip(f"this PyAV has no encoder {codec}")
    layout = "mono" if samples.shape[1] == 1 else "stereo"
    with av.open(str(path), "w", format=container, options=options) as output:
        stream = output.add_stream(codec, rate=rate, layout=layout)
        stream.bit_rate = 12_200 if "amr" in codec else 96_000
        resampler = av.AudioResampler(stream.codec_context.codec.audio_formats[0].name, layout, rate)
        for frame in [*_frames(samples, rate, layout), None]:
            for ready in resampler.resample(frame):
                output.mux(stream.encode(ready))
        output.mux(stream.encode(None))
    return path


def encode_surround(path: Path, samples: np.ndarray, rate: int) -> Path:
    """Encode (n, 8) float32 as AAC 7.1, which has a plane for each of eight channels."""
    with av.open(str(path), "w", format="mp4") as output:
        stream = output.add_stream("aac", rate=rate, layout="7.1")
        stream.bit_rate = 512_000
        for start in range(0, len(samples), 1024):
            block = samples[start : start + 1024]
            frame = av.AudioFrame("fltp", "7.1", len(block))
            for plane, channel in zip(frame.planes, block.T, strict=False):
                plane.update(channel.tobytes() + bytes(plane.buffer_size - 4 * len(block)))
            frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def _frames(samples: np.ndarray, rate: int, layout: str) -> Iterator[av.AudioFrame]:
    for start in range(0, len(samples), 1000):
        block = np.ascontiguousarray(samples[start : start + 1000].T)
        frame = av.AudioFrame.from_ndarray(block, "fltp", layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
        yield frame


def write_video(path: Path, samples: np.ndarray | None = None) -> Path:
    """A Matroska file with a picture track and, if given, (n, 1) samples as sound at 16 kHz."""
    with av.open(str(path), "w", format="matroska") as output:
        video = output.add_stream("mpeg4", rate=10)
        video.width = video.height = 32
        audio = output.add_stream("flac", rate=RATE, layout="mono") if samples is not None else None
        for index in range(10):
            picture = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 20 * index, np.uint8), "rgb24")
            output.mux(video.encode(picture))
        output.mux(video.encode(None))
        if audio is not None and samples is not None:
            resampler = av.AudioResampler("s16", "mono", RATE, frame_size=4096)
            for frame in [*_frames(samples, RATE, "mono"), None]:
                for ready in resampler.resample(frame):
                    output.mux(audio.encode(ready))
            output.mux(audio.encode(None))
    return path


def write_wav(path: Path, samples: np.ndarray, rate: int = RATE, **options: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    sf.write(path, samples, rate, **options)
    return path
