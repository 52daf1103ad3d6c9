"""What decides the tracks of a recording besides its audio: the defaults of the library and of stage 1.

Imports nothing heavy: the command line shows these values in its help.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MIN_DURATION = 0.2  # seconds of audio below which a recording is not embedded
DEFAULT_MAX_HOURS = 48.0  # of a recording: a file of a hundred kilobytes may hold days of silence

Speech = Literal["segmentation", "doubt", "both"]
AskedSpeech = Literal["auto", "segmentation", "doubt", "both"]


@dataclass(frozen=True)
class EmbedSettings:
    """Lengths of what is embedded, in seconds."""

    window: float = 1.0  # a sliding window, which gives one embedding
    hop: float = 0.5  # from one sliding window to the next
    chunk: float = 30.0  # what the trunk sees at once in a long recording


@dataclass(frozen=True)
class SpeechSettings:
    """How speech is found.

    Attributes:
        step: most seconds from the start of one seg_window to the next.
        silence_margin: dB above the noise floor below which lasting silence is no speech; 0 = not looked at.
        speech: whose opinion says where speech is. `segmentation`: the first network's; `doubt`: also the
            second's, where there is sound but the first hears nobody; `both`: always both.
    """

    step: float = 5.0
    silence_margin: float = 1.5
    speech: Speech = "doubt"
