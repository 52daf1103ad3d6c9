"""From the options of stage 2 to the settings of diarization."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from diar.config import DetectConfig
from diar.detect.clustering.choose import ClusteringSettings
from diar.detect.clustering.plda import read_plda
from diar.detect.clustering.speaker_count import SpeakerCount
from diar.detect.diarize import DiarizeSettings
from diar.detect.postprocessing import TurnSettings
from diar.detect.presets import PRESETS, Preset
from diar.detect.reconstruction import ReconstructionSettings

_CHANGE_PROBABILITY = 0.1  # of the speaker, from one window to the next half a second later


def diarize_settings(config: DetectConfig) -> DiarizeSettings:
    """The settings that `config` asks for.

    Raises:
        PldaError: the PLDA model cannot be read.
    """
    plda = None
    if config.clustering == "vbx" and config.plda is not None:
        transform = None if config.plda_transform is None else Path(config.plda_transform)
        plda = read_plda(Path(config.plda), transform)
    return DiarizeSettings(
        ClusteringSettings(config.clustering, speaker_count(config), plda=plda), preset(config)
    )


def speaker_count(config: DetectConfig) -> SpeakerCount:
    """The bounds on the number of speakers."""
    if config.num_speakers is not None:
        return SpeakerCount(config.num_speakers, config.num_speakers)
    return SpeakerCount(config.min_speakers or 1, config.max_speakers)


def preset(config: DetectConfig) -> Preset:
    """The preset, with the options that override it; an offset above the onset is lowered to it."""
    chosen = PRESETS[config.preset]
    onset = config.onset or chosen.reconstruction.onset
    reconstruction = ReconstructionSettings(
        onset=onset,
        offset=min(onset, config.offset or chosen.reconstruction.offset),
        overlap=config.overlap or chosen.reconstruction.overlap,
        smoothing=config.smoothing / 1000,
        change_probability=_CHANGE_PROBABILITY if config.resegmentation == "viterbi" else None,
    )
    given: dict[str, Any] = {
        "min_duration_off": config.min_duration_off,
        "min_duration_on": config.min_duration_on,
    }
    turns: TurnSettings = replace(chosen.turns, **{k: v for k, v in given.items() if v is not None})
    return Preset(reconstruction, turns)


def thresholds(settings: DiarizeSettings) -> dict[str, float]:
    """Every number that decided the turns, for the result."""
    chosen = {**asdict(settings.preset.reconstruction), **asdict(settings.preset.turns)}
    if settings.clustering.method == "auto":
        chosen |= {f"clustering_{key}": value for key, value in asdict(settings.clustering.iterative).items()}
    elif settings.clustering.method == "ahc":
        chosen["clustering_threshold"] = settings.clustering.ahc_threshold
    return {name: float(value) for name, value in chosen.items() if value is not None}
