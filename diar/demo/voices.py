"""Who speaks in the demo."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

# People do not always speak at the same rate and pitch
RATE_VARIATION = 0.05  # largest relative change
PITCH_VARIATION = 2  # largest change, in steps of about 1.4 %


@dataclass(frozen=True, slots=True)
class Voice:
    """One synthetic speaker.

    Attributes:
        name: as in the truth.
        language: of an espeak-ng voice; other languages read English with an accent.
        variant: of an espeak-ng voice.
        pitch: 0 to 99 in steps of about 1.4 %; 50 is the variant's own.
        pitch_range: 0 to 99; 50 is the variant's own.
        words_per_minute: rate of speech.
        formants: factor of all resonances; 1.1 is a vocal tract 10 % shorter.
        whispers: has no pitch.
    """

    name: str
    language: str
    variant: str
    pitch: int = 50
    pitch_range: int = 50
    words_per_minute: int = 175
    formants: float = 1.0
    whispers: bool = False

    @property
    def espeak_name(self) -> str:
        """Return language and variant as espeak-ng takes them."""
        return f"{self.language}+{self.variant}"

    def on_another_day(self, rng: np.random.Generator) -> Voice:
        """Return the same speaker, a little faster or slower, higher or lower."""
        rate = self.words_per_minute * rng.uniform(1 - RATE_VARIATION, 1 + RATE_VARIATION)
        pitch = self.pitch + int(rng.integers(-PITCH_VARIATION, PITCH_VARIATION + 1))
        return replace(self, words_per_minute=round(rate), pitch=pitch)


# Each voice is the one least like those before it (measured in docs/decisions/020-demo-voices.md)
VOICES = (
    Voice("gustave", "en-us", "gustave"),
    Voice("wilma", "en-us", "whisperf", whispers=True),
    Voice("steph", "en-gb-x-rp", "steph", pitch=60, pitch_range=60, formants=1.12),
    Voice("iven", "en-us", "iven2"),
    Voice("klaus", "en-us", "klatt4"),
    Voice("granny", "en-us", "grandma"),
    Voice("milan", "cs", "m1"),
    Voice("anika", "fi", "anika", formants=1.1),
    Voice("travis", "en-us", "travis"),
    Voice("andy", "en-us", "Andy"),
    Voice("david", "en-us", "david"),
    Voice("linda", "en-us", "linda"),
    Voice("lee", "en-us", "Lee"),
    Voice("igor", "ru", "m4", pitch=25, pitch_range=40, words_per_minute=165, formants=0.85),
)
