"""Phonemes are those that the model was trained on: expected values are phonemizer's, by espeak-ng."""

import contextlib

import pytest

from diar.voices.phonemes import Phonemizer
from diar.voices.synthesizer import SynthesisError

pytest.importorskip("espeakng_loader")


def test_text_becomes_phonemes_with_stress_and_punctuation() -> None:
    with contextlib.closing(Phonemizer()) as phonemes:
        for text, expected in {
            "Hello there, how are you today? It's 42 o'clock.": (
                "həlˈoʊ ðˈɛɹ, hˌaʊ ɑːɹ juː tədˈeɪ? ɪts fˈɔːɹɾi tˈuː əklˈɑːk."
            ),
            "The baker on the corner sells bread that is still warm at noon.": (
                "ðə bˈeɪkɚɹ ɔnðə kˈɔːɹnɚ sˈɛlz bɹˈɛd ðæt ɪz stˈɪl wˈɔːɹm æt nˈuːn."
            ),
            'He said: "go" (quickly), then — left': 'hiː sˈɛd: "ɡˈoʊ" (kwˈɪkli), ðˈɛn — lˈɛft',
        }.items():
            assert phonemes(text, "en-us") == expected
        # Points inside of a word end nothing; phonemizer breaks there
        assert phonemes("It is 3.5 miles.", "en-us").count(".") == 1
        with pytest.raises(SynthesisError, match="`language=xx-none`"):
            phonemes("a", "xx-none")
