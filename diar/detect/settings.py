"""From the options of stage 2 to the settings of diarization."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TypeVar

from diar.config import DetectConfig
from diar.detect.clustering.choose import ClusteringSettings
from diar.detect.clustering.plda import read_plda
from diar.detect.clustering.speaker_count import SpeakerCount
from diar.detect.diarize import DiarizeSettings
from diar.detect.postprocessing import TurnSettings
from diar.detect.presets import PRESETS, Preset
from diar.detect.reconstruction import ReconstructionSettings
from diar.errors import DiarError

SettingsT = TypeVar("SettingsT", ReconstructionSettings, TurnSettings)

_CHANGE_PROBABILITY = 0.1  # of the speaker, from one window to the next half a second later


def diarize_settings(config: DetectConfig) -> DiarizeSettings:
    """The settings that `config` asks for.

    Raises:
        PldaError: the PLDA model cannot be read.
        DiarError: thresholds that contradict each other.
    """
    plda = None
    if config.clustering == "vbx" and config.plda is not None:
        transform = None if config.plda_transform is None else Path(config.plda_transform)
        plda = read_plda(Path(config.plda), transform)
    clustering = ClusteringSettings(config.clustering, speaker_count(config), plda=plda)
    general, narrow = ("general", "telephone") if config.preset == "auto" else (config.preset, config.preset)
    return DiarizeSettings(clustering, preset(config, general), preset(config, narrow))


def speaker_count(config: DetectConfig) -> SpeakerCount:
    """The bounds on the number of speakers."""
    if config.num_speakers is not None:
        return SpeakerCount(config.num_speakers, config.num_speakers)
    return SpeakerCount(config.min_speakers or 1, config.max_speakers)


def preset(config: DetectConfig, name: str) -> Preset:
    """A preset with the options that override it; a lower onset takes the preset's offset down with it.

    Raises:
        DiarError: an offset above the onset.
    """
    chosen = PRESETS[name]
    onset = config.onset or chosen.reconstruction.onset
    if config.offset is not None and config.offset > onset:
        raise DiarError(
            f"--offset {config.offset:g} is above the onset of {onset:g}, so speech would end as it begins; "
            "give a lower one, or a higher --onset"
        )
    reconstruction = _override(
        chosen.reconstruction,
        onset=onset,
        offset=config.offset or min(onset, chosen.reconstruction.offset),
        overlap=config.overlap,
        overlap_prior=None if config.overlap is None else 0.0,
        smoothing=None if config.smoothing is None else config.smoothing / 1000,
        change_probability=_CHANGE_PROBABILITY if config.resegmentation == "viterbi" else None,
    )
    turns = _override(
        chosen.turns, min_duration_off=config.min_duration_off, min_duration_on=config.min_duration_on
    )
    return Preset(reconstruction, turns)


def _override(settings: SettingsT, **options: float | None) -> SettingsT:
    """`settings` with the options that are not None."""
    return replace(settings, **{name: value for name, value in options.items() if value is not None})


def thresholds(settings: DiarizeSettings) -> dict[str, float]:
    """Every number that decided the turns, for the result."""
    chosen = {**asdict(settings.preset.reconstruction), **asdict(settings.preset.turns)}
    if settings.narrow_preset != settings.preset:
        chosen["narrow_band_onset"] = settings.narrow_preset.reconstruction.onset
        chosen["narrow_band_offset"] = settings.narrow_preset.reconstruction.offset
    chosen |= {
        f"clustering_{name}": value for name, value in _clustering_numbers(settings.clustering).items()
    }
    return {name: float(value) for name, value in chosen.items() if value is not None}


def _clustering_numbers(clustering: ClusteringSettings) -> dict[str, float]:
    if clustering.method == "auto":
        return asdict(clustering.iterative)
    if clustering.method == "vbx":
        names = ("vbx_fa", "vbx_fb", "vbx_loop_probability")
        return {name.removeprefix("vbx_"): getattr(clustering, name) for name in names}
    names = ("least_share", "least_seconds", "enough_seconds")
    numbers = {name: getattr(clustering.iterative, name) for name in names}
    if clustering.method == "ahc":
        numbers["threshold"] = clustering.ahc_threshold
    return numbers
