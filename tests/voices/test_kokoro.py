"""Kokoro: long texts are cut at the best places, and what it says is heard by a recogniser."""

from difflib import SequenceMatcher

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diar.models.weights.hub import fetch, resolve
from diar.voices.kokoro import Kokoro, split, symbols, without_silence
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
