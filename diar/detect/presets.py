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
    # what suits most; meetings, lectures and broadcasts were measured with it and with others (decision 054)
    "general": Preset(ReconstructionSettings(), TurnSettings(min_duration_off=0.0, min_duration_on=0.1)),
    # the network hears less in a narrow band: it is believed earlier
    "telephone": Preset(
        ReconstructionSettings(onset=0.3, offset=0.3),
        TurnSettings(min_duration_off=0.0, min_duration_on=0.1),
    ),
}
