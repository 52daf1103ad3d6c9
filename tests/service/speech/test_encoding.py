"""Every format is read by FFmpeg and libsndfile, has all samples in place, and says that it is synthetic."""

import io

import av
import numpy as np
import pytest
import soundfile as sf
import soxr

from diar.service.speech.encoding import FORMATS, ORIGIN, Encoder

RATE = 24_000


@pytest.mark.parametrize("form", FORMATS)
def test_pieces_become_one_recording(form: str) -> None:
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(3 * RATE) / RATE).astype(np.float32)
    encoder = Encoder(form, RATE, "a test")
    content = b"".join([encoder.push(part) for part in np.array_split(tone, 7)] + [encoder.finish()])
    if form == "pcm":
        heard, rate = np.frombuffer(content, "<i2") / 32767, RATE
    else:
        with av.open(io.BytesIO(content)) as file:
            rate = file.streams.audio[0].rate
            told = {**file.metadata, **file.streams.audio[0].metadata}
            frames = [frame.to_ndarray() for frame in file.decode(audio=0)]
        heard = np.concatenate([frame.reshape(-1) for frame in frames]).astype(float)
        heard = heard / (32768 if np.abs(heard).max() > 2 else 1)
        if form != "aac":  # ADTS has no place for a comment
            assert ORIGIN in {key.lower(): value for key, value in told.items()}["comment"]
    heard = soxr.resample(heard, rate, RATE)
    assert abs(len(heard) - len(tone)) < 0.12 * RATE, "codecs may add a frame or two"
    middle = heard[RATE : 2 * RATE]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(RATE)))
    assert spectrum.argmax() == 440 and 0.3 < np.abs(middle).max() < 0.7
    if form == "wav":
        samples, rate = sf.read(io.BytesIO(content))
        assert rate == RATE and np.allclose(samples, tone, atol=1e-3)
