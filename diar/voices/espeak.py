"""The voices of the demo, by espeak-ng: fast, robotic, and told apart with certainty."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from diar.demo.espeak import SAMPLE_RATE, SilentTextError, speak_all
from diar.demo.voices import VOICES, Voice
from diar.voices.synthesizer import NothingToSpeakError, Text, checked_texts

_VOICES = {voice.name: voice for voice in VOICES}


class EspeakVoices:
    """espeak-ng in a process of its own; the same texts give the same samples."""

    name = "espeak-ng"
    licence = "GPL-3.0 (program)"
    rate = SAMPLE_RATE
    voices = tuple(_VOICES)
    apart: tuple[str, ...] = ()

    def speak(self, texts: Sequence[Text]) -> Iterator[np.ndarray]:
        """Yield (samples,) float32 of each text; see `Synthesizer`."""
        plain = checked_texts(texts, self.voices)
        try:
            yield from speak_all([(self._voice(one), one.text) for one in plain])
        except SilentTextError as error:
            raise NothingToSpeakError(str(error)) from None

    def close(self) -> None:
        """See `Synthesizer`; nothing is left running."""

    def _voice(self, text: Text) -> Voice:
        voice = _VOICES[text.voice]
        return replace(voice, words_per_minute=round(voice.words_per_minute * text.speed))
