"""Every wrong argument is named by its parameter, in an error that `diar.DiarError` catches."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import diar

NOISE = (0.1 * np.random.default_rng(0).standard_normal(16_000)).astype(np.float32)
ENCODER = "what diar.open_encoder returns"

WRONG: dict[str, tuple[Any, str]] = {
    "no rate": (
        lambda: diar.embed(NOISE),
        "`sample_rate` is missing: `audio` is a waveform; give its rate in Hz",
    ),
    "no rate of a tensor": (lambda: diar.diarize(torch.zeros(16_000)), "`sample_rate` is missing: `audio`"),
    "no rate of the second": (lambda: diar.similarity("a.wav", NOISE), "`second` is a waveform|a.wav"),
    "a rate of a file": (
        lambda: diar.embed("a.wav", sample_rate=16_000),
        "`sample_rate` belongs to a waveform",
    ),
    "a rate of none": (lambda: diar.similarity("a", "b", sample_rate=8_000), "neither `first` nor `second`"),
    "kHz": (lambda: diar.embed(NOISE, sample_rate=16), "`sample_rate=16`; whole Hz from 1000"),
    "on its side": (lambda: diar.embed(NOISE[:, None], sample_rate=16_000), r"\(16000, 1\).*transpose it"),
    "three dimensions": (
        lambda: diar.embed(NOISE[None, None], sample_rate=16_000),
        r"`audio` has shape \(1, 1, ",
    ),
    "no samples": (lambda: diar.embed(NOISE[:0], sample_rate=16_000), "it holds no samples"),
    "complex": (lambda: diar.embed(NOISE * 1j, sample_rate=16_000), "a waveform of complex"),
    "a list": (lambda: diar.embed([0.0, 0.1]), "`audio` is a list; give a path, a URL"),  # type: ignore
    "text file": (lambda: diar.embed(io.StringIO("x")), "open it with 'rb'"),  # type: ignore
    "encoder by name": (lambda: diar.embed(NOISE, sample_rate=16_000, encoder="campplus-zh-en"), ENCODER),  # type: ignore
    "segmentation by name": (
        lambda: diar.embed(NOISE, sample_rate=16_000, segmentation="segmentation-3.0"),  # type: ignore
        "`segmentation` is a str; give what diar.open_segmentation returns",
    ),
    "no segmentation": (
        lambda: diar.diarize("a.wav", segmentation="none"),
        "`segmentation=none` finds no turns",
    ),  # type: ignore
    "channel": (lambda: diar.embed("a.wav", channel="left"), "`channel=left` is not auto, mix, each"),
    "track": (lambda: diar.embed("a.wav", track=""), "`track=` is not auto"),
    "number of speakers": (
        lambda: diar.diarize("a.wav", num_speakers=0),
        "`num_speakers=0`; a whole number",
    ),
    "both": (lambda: diar.diarize("a.wav", num_speakers=2, max_speakers=3), "not both"),
    "bounds": (lambda: diar.diarize("a.wav", min_speakers=3, max_speakers=2), "`min_speakers=3` exceeds"),
    "preset": (lambda: diar.diarize("a.wav", preset="phone"), "`preset=phone` is not one of auto"),  # type: ignore
    "device": (
        lambda: diar.open_encoder(device="gpu"),
        "`device=gpu` is not auto, cpu, cuda or cuda:NUMBER",
    ),
    "precision": (lambda: diar.open_encoder(precision="int8"), "`precision=int8` is not one of auto, fp32"),
    "speech": (lambda: diar.open_segmentation(speech="never"), "`speech=never` is not one of"),  # type: ignore
    "step": (lambda: diar.open_segmentation(step=0), "`step=0` must be above 0"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_argument_is_named(case: str) -> None:
    call, told = WRONG[case]
    with pytest.raises(diar.DiarError, match=told) as caught:
        call()
    assert "--" not in str(caught.value)


AUDIO: dict[str, tuple[bytes | None, str]] = {
    "missing": (None, "does not exist"),
    "empty": (b"", "0 bytes"),
    "undecodable": (b"no audio at all", "x.wav"),
}


@pytest.mark.parametrize("kind", AUDIO)
def test_audio_that_gives_nothing_says_why(kind: str, tmp_path: Path) -> None:
    content, told = AUDIO[kind]
    path = tmp_path / "x.wav"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(diar.AudioError, match=told) as caught:
        diar.embed(path)
    assert caught.value.kind == kind
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("samples", "kind", "told"),
    [
        (NOISE[:800], "too_short", "audio: 0.050 s of audio"),
        (np.zeros(16_000), "silent", "audio: all samples are zero"),
        (np.full(16_000, np.nan), "undecodable", "none of its samples is finite"),
    ],
)
def test_waveforms_that_give_nothing_say_why(samples: np.ndarray, kind: str, told: str) -> None:
    with pytest.raises(diar.AudioError, match=told) as caught:
        diar.embed(samples, sample_rate=16_000)
    assert caught.value.kind == kind


def test_voices_of_two_encoders_are_not_compared(tiny_model_dir: Path, voice: diar.Voice) -> None:
    tiny = diar.open_encoder(str(tiny_model_dir), device="cpu", precision="fp32")
    other = diar.embed(NOISE, sample_rate=16_000, encoder=tiny)
    with pytest.raises(diar.DiarError, match="embed both with one encoder"):
        diar.similarity(voice, other)
    alike = diar.similarity(other, other)
    assert alike.cosine == pytest.approx(1)
    assert (alike.log_ratio, alike.probability) == (None, None), "its cosines were never calibrated"


def test_what_decides_a_voice_comes_too_late_for_its_turns(voice: diar.Voice) -> None:
    told = "`audio` is embedded already: give `sample_rate`, `channel` to `diar.embed`"
    with pytest.raises(diar.ArgumentError, match=told):
        diar.diarize(voice, sample_rate=16_000, channel=0)


def test_what_decides_voices_comes_too_late_for_their_similarity(voice: diar.Voice) -> None:
    with pytest.raises(diar.ArgumentError, match="are embedded already"):
        diar.similarity(voice, voice, segmentation="none")


def test_a_voice_without_segmentation_has_no_turns(voice: diar.Voice) -> None:
    plain = diar.embed(NOISE, sample_rate=16_000, segmentation="none")
    with pytest.raises(diar.ArgumentError, match="embedded without segmentation"):
        diar.diarize(plain)
