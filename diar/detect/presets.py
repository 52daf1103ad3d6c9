"""Settings of diarization by the kind of recording."""

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
    # in a narrow band the network is less certain of speech, so its threshold is lower
    "telephone": Preset(
        ReconstructionSettings(onset=0.3, offset=0.3),
        TurnSettings(min_duration_off=0.0, min_duration_on=0.1),
    ),
}


def preset_values() -> dict[str, dict[str, float]]:
    """Return each preset's numbers by the name of the option that overrides them, in that option's unit."""
    return {
        name: {
            "onset": preset.reconstruction.onset,
            "offset": preset.reconstruction.offset,
            "overlap": preset.reconstruction.overlap,
            "min_duration_on": preset.turns.min_duration_on,
            "min_duration_off": preset.turns.min_duration_off,
            "smoothing": 1000 * preset.reconstruction.smoothing,
        }
        for name, preset in PRESETS.items()
    }
