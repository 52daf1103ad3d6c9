"""Kokoro: long texts are cut at the best places, and what it says is heard by a recogniser."""

import json
from difflib import SequenceMatcher
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from diar.models.weights.hub import fetch, resolve
from diar.models.weights.named_models import NAMED_MODELS
from diar.voices.kokoro import Kokoro, played, split, symbols, without_silence
from diar.voices.synthesizer import SynthesisError, Text

TEXT = "The baker on the corner sells bread that is still warm at noon."


@given(st.text(alphabet='ab ,.?!"', max_size=80), st.integers(3, 30))
def test_parts_are_short_enough_and_lose_no_phoneme(phonemes: str, most: int) -> None:
    parts = split(phonemes, most)
    assert all(len(part) <= most + 1 for part in parts)
    assert "".join("".join(parts).split()) == "".join(phonemes.split())


def test_a_long_text_is_cut_behind_a_sentence_else_a_clause_else_a_word() -> None:
    assert split("aa, bb. cc, dd ee", 12) == ["aa, bb.", "cc, dd ee"]
    assert split("aa, bb cc dd", 8) == ["aa,", "bb cc dd"]
    assert split("aa bb cc", 6) == ["aa bb", "cc"]
    assert split("aaaaaa", 4) == ["aaaa", "aa"]


def test_symbols_are_those_of_the_model() -> None:
    assert symbols("həlˈoʊ, x*") == [50, 83, 54, 156, 57, 135, 3, 16, 66]


def test_silence_around_speech_goes() -> None:
    samples = np.zeros(24_000, np.float32)
    samples[9_600:12_000] = 0.5
    kept = without_silence(samples, 24_000)
    assert len(kept) == 2_400 + 2 * 480 and kept[479] == 0 and kept[480] == 0.5
    with pytest.raises(SynthesisError, match="no sound"):
        without_silence(0 * samples, 24_000)


def test_what_is_played_faster_is_higher_shorter_and_as_loud() -> None:
    time = np.arange(24_000) / 24_000
    tone = np.sin(2 * np.pi * 200 * time).astype(np.float32)
    higher = played(tone, 1.25)
    assert len(higher) == 19_200 and higher.dtype == np.float32
    assert np.abs(np.fft.rfft(higher)).argmax() * 24_000 / len(higher) == pytest.approx(250, abs=1)
    assert np.std(higher) == pytest.approx(np.std(tone), rel=0.01)
    assert played(tone, 1.0) is tone


def test_voices_that_are_said_to_be_apart_must_be_there(tmp_path: Path) -> None:
    config = {"sample_rate": 24_000, "language": "en-us", "voices": {"a": {"x": 1.0}}}
    for more, told in (
        ({"apart": ["b"]}, "there are not, or twice: b"),
        ({"scaled": {"b": {"of": "c", "played": 1.1}}}, "there are not, or twice: c"),
        ({"scaled": {"a": {"of": "a", "played": 1.1}}}, "there are not, or twice"),
        ({"scaled": {"b": {"of": "a", "played": 3}}}, "less than or equal to 1.4"),
    ):
        (tmp_path / "config.yaml").write_text(json.dumps({**config, **more}))
        with pytest.raises(SynthesisError, match=told):
            Kokoro(tmp_path)


def test_the_named_voices_that_are_apart() -> None:
    config = yaml.safe_load(NAMED_MODELS["kokoro-82m"].config)
    assert len({*config["apart"]}) >= 12
    assert {*config["apart"]} <= {*config["voices"], *config["scaled"]}


@pytest.mark.slow
def test_a_recogniser_hears_what_it_says_and_the_same_text_sounds_the_same() -> None:
    pytest.importorskip("onnxruntime")
    recogniser = pytest.importorskip("faster_whisper").WhisperModel
    import soxr

    engine = Kokoro(resolve("kokoro-82m", "synthesizer"))
    texts = [Text(TEXT, voice) for voice in ("kumo", "alpha", "alpha")]
    one, other, again = engine.speak(texts)
    assert np.array_equal(other, again) and not np.array_equal(one, other)
    heard = recogniser(str(fetch("whisper-tiny.en")), compute_type="int8", cpu_threads=1)
    for samples in (one, other):
        found, _ = heard.transcribe(soxr.resample(samples, engine.rate, 16_000), beam_size=1)
        words = "".join(part.text for part in found).lower().strip(" .").split()
        assert SequenceMatcher(None, words, TEXT.lower().strip(".").split()).ratio() > 0.75, words
    with pytest.raises(SynthesisError, match="`voice=nobody` is unknown"):
        list(engine.speak([Text("a", "nobody")]))
    engine.close()
