"""Settings of diarization by the kind of recording. Options read them, so nothing heavy is imported here."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class ReconstructionSettings:
    """When a frame holds a voice, and when a second one."""

    onset: float = 0.4  # expected voices at which speech begins …
    offset: float = 0.4  # … and below which it ends
    overlap: float = 1.2  # expected voices from which a second one speaks, where a tenth of speech is overlap
    overlap_prior: float = 0.5  # how far the recording's own share of overlap moves that, 0: not, 1: fully
    smoothing: float = 0.0  # seconds of the running mean over expected voices
    change_probability: float | None = None  # of the speaker from window to window; None: windows one by one


@dataclass(frozen=True)
class TurnSettings:
    """Lengths in seconds."""

    min_duration_off: float = 0.0  # a shorter pause of one speaker is closed
    min_duration_on: float = 0.0  # a shorter turn is dropped


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


def with_numbers(help: str, name: str) -> str:
    """Return an option's help with its number in each preset, or one number where all have the same."""
    numbers = {preset: values[name] for preset, values in preset_values().items()}
    if len({*numbers.values()}) == 1:
        return f"{help} [{next(iter(numbers.values())):g}]"
    return f"{help} [{', '.join(f'{preset} {number:g}' for preset, number in numbers.items())}]"
