"""What engines are given to speak, and what they are not."""

import pytest

from diar.voices.synthesizer import NothingToSpeakError, SynthesisError, Text, checked_texts


def test_control_characters_are_blanks_but_for_line_ends() -> None:
    (text,) = checked_texts([Text("\x01500S One\x00two.\n\nThree\x9f", "a")], ["a"])
    assert text.text == " 500S One two.\n\nThree "


@pytest.mark.parametrize("text", ["", " \n", "\0\1\2"])
def test_nothing_to_speak(text: str) -> None:
    with pytest.raises(NothingToSpeakError):
        checked_texts([Text(text, "a")], ["a"])


def test_halves_of_characters_are_refused() -> None:
    with pytest.raises(SynthesisError, match="surrogates"):
        checked_texts([Text("Good \ud83d", "a")], ["a"])


def test_espeak_tells_silence_from_failure() -> None:
    pytest.importorskip("espeakng_loader", reason="no synthesizer: pip install espeakng-loader")
    from diar.voices.espeak import EspeakVoices

    engine = EspeakVoices()
    with pytest.raises(NothingToSpeakError):
        list(engine.speak([Text("?! -- ?!", engine.voices[0])]))
