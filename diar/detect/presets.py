"""Parameters of diarization under the names of what they serve."""

from __future__ import annotations

from dataclasses import dataclass, field

from diar.detect.postprocessing import TurnSettings
from diar.detect.reconstruction import ReconstructionSettings


@dataclass(frozen=True)
class Preset:
    """From expected voices to turns."""

    reconstruction: ReconstructionSettings = field(default_factory=ReconstructionSettings)
    turns: TurnSettings = field(default_factory=TurnSettings)


PRESETS = {
    # what the accuracy tables are measured with
    "meeting": Preset(ReconstructionSettings(), TurnSettings(min_duration_off=0.0, min_duration_on=0.1)),
    # two close voices, answers of a syllable, line noise between them
    "telephone": Preset(
        ReconstructionSettings(onset=0.45, offset=0.3, overlap=1.3),
        TurnSettings(min_duration_off=0.1, min_duration_on=0.1),
    ),
    # read speech: long turns that pauses do not end, hardly any overlap, jingles and applause
    "broadcast": Preset(
        ReconstructionSettings(onset=0.5, offset=0.35, overlap=1.4),
        TurnSettings(min_duration_off=0.5, min_duration_on=0.25),
    ),
}
