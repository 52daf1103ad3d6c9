"""Audio may be given in any form, and the result does not depend on it."""

import io
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
import soundfile as sf
import torch

import diar
from tests.api.conftest import SECONDS
from tests.commands import RATE


def assert_same_voice(found: diar.Voice, expected: diar.Voice) -> None:
    assert found.duration == expected.duration
    assert found.speech_seconds == expected.speech_seconds
    assert np.abs(found.vector - expected.vector).max() < 1e-6
    assert (found.tracks.start == expected.tracks.start).all()
    assert np.abs(found.tracks.embedding - expected.tracks.embedding).max() < 1e-6


def test_a_voice_tells_what_the_network_heard(voice: diar.Voice) -> None:
    assert voice.id == "meeting.wav"
    assert voice.encoder == "campplus-zh-en"
    assert voice.vector.shape == (192,)
    assert voice.vector.dtype == np.float32
    assert np.linalg.norm(voice.vector) == pytest.approx(1, abs=1e-5)
    assert voice.duration == SECONDS
    assert 0.5 * SECONDS < voice.speech_seconds < SECONDS
    assert 0 < voice.overlap_seconds < voice.speech_seconds
    assert voice.warnings == []
    assert len(voice.tracks) > 20


FORMS: dict[str, Any] = {
    "text path": lambda path, samples: (str(path), None),
    "file URL": lambda path, samples: (path.as_uri(), None),
    "open file": lambda path, samples: (path.open("rb"), None),
    "bytes in memory": lambda path, samples: (io.BytesIO(path.read_bytes()), None),
    "NumPy (samples,)": lambda path, samples: (samples, RATE),
    "NumPy (channels, samples)": lambda path, samples: (samples[None], RATE),
    "16-bit NumPy": lambda path, samples: (sf.read(path, dtype="int16")[0], RATE),
    "float64 NumPy, both channels alike": lambda path, samples: (np.stack([samples] * 2).astype(float), RATE),
    "PyTorch (samples,)": lambda path, samples: (torch.from_numpy(samples), RATE),
    "PyTorch with gradients": lambda path, samples: (torch.from_numpy(samples)[None].requires_grad_(), RATE),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_voice(
    form: str, talk: Path, waveform: np.ndarray, voice: diar.Voice
) -> None:
    audio, sample_rate = FORMS[form](talk, waveform)
    assert_same_voice(diar.embed(audio, sample_rate=sample_rate), voice)
    if isinstance(audio, io.IOBase):
        audio.close()


def test_a_remote_file_is_fetched(talk: Path, voice: diar.Voice) -> None:
    import fsspec

    with fsspec.open("memory://face/meeting.wav", "wb") as file:
        file.write(talk.read_bytes())
    found = diar.embed("memory://face/meeting.wav")
    assert found.id == "meeting.wav"
    assert_same_voice(found, voice)


def test_a_waveform_is_resampled_as_a_file_is(phone_call: Path) -> None:
    samples, rate = sf.read(phone_call, dtype="float32")
    assert rate == 8_000
    found, expected = diar.diarize(samples.T, sample_rate=rate), diar.diarize(phone_call)
    assert [(t.start, t.end, t.speaker, t.channel) for t in found.turns] == [
        (t.start, t.end, t.speaker, t.channel) for t in expected.turns
    ]
    assert_same_voice(found.voice, expected.voice)


def test_a_channel_can_be_chosen(phone_call: Path) -> None:
    samples, rate = sf.read(phone_call, dtype="float32")
    encoder = diar.open_encoder(device="cpu")
    right = diar.embed(phone_call, channel=1, encoder=encoder, segmentation="none")
    assert_same_voice(
        right, diar.embed(samples[:, 1], sample_rate=rate, encoder=encoder, segmentation="none")
    )
    assert right.speech_seconds == right.duration


def test_the_callers_array_and_file_stay_as_they_are(talk: Path, waveform: np.ndarray) -> None:
    before = waveform.copy()
    diar.embed(waveform[: 2 * RATE], sample_rate=RATE)
    assert (waveform == before).all()
    file: BinaryIO
    with talk.open("rb") as file:
        diar.embed(file)
        assert not file.closed


def test_ami_gives_the_same_in_every_form(shared_dir: Path, tmp_path: Path) -> None:
    source = shared_dir / "data" / "ami" / "trn00.wav"
    samples, rate = sf.read(source, frames=6 * RATE, start=20 * RATE, dtype="float32")
    path = tmp_path / "ami.wav"
    sf.write(path, samples, rate, subtype="PCM_16")
    found = diar.diarize(path)
    assert found.turns
    with path.open("rb") as file:
        others = [
            diar.diarize(str(path)),
            diar.diarize(path.as_uri()),
            diar.diarize(samples, sample_rate=rate),
            diar.diarize(torch.from_numpy(samples), sample_rate=rate),
            diar.diarize(file),
        ]
    for other in others:
        assert [(t.start, t.end, t.speaker) for t in other.turns] == [
            (t.start, t.end, t.speaker) for t in found.turns
        ]
