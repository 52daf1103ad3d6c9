"""From the options of stage 2 to the settings of its methods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from diar.detect.backend.back_end import BackEnd
from diar.detect.backend.norm_file import read_norm
from diar.detect.boundaries.settings import BoundarySettings
from diar.detect.clustering.choose import ClusteringSettings
from diar.detect.clustering.iterative import IterativeSettings
from diar.detect.clustering.plda import Plda, read_plda
from diar.detect.clustering.speaker_count import SpeakerCount
from diar.detect.community.settings import Community
from diar.detect.diarize import DiarizeSettings
from diar.detect.presets import PRESETS, Preset, ReconstructionSettings, TurnSettings
from diar.errors import DiarError
from diar.jobs.detect.config import DetectConfig
from diar.store.index import StoredPipeline
from diar.wording import counted

SettingsT = TypeVar("SettingsT", ReconstructionSettings, TurnSettings)

# Options that decide turns, of which a pipeline has its own
_NOT_OF_PIPELINES = (
    *("preset", "onset", "offset", "overlap", "smoothing"),
    *("clustering_threshold", "resegmentation"),
)
_CHANGE_PROBABILITY = 0.1  # of a change of speaker from one sliding window to the next, half a second later


def diarize_settings(config: DetectConfig, stored: StoredPipeline | None = None) -> DiarizeSettings:
    """Return the settings that `config` asks for.

    Args:
        config: of the command.
        stored: the pipeline whose networks stage 1 ran, if they are of one.

    Raises:
        PldaError: the PLDA model cannot be read.
        DiarError: thresholds that contradict each other, or that the pipeline does not read.
    """
    if config.clustering == "pipeline" or (config.clustering == "auto" and stored is not None):
        return _pipeline_settings(config, stored)
    plda = _read_plda(config) if config.clustering == "vbx" else None
    assert config.clustering != "pipeline"
    iterative = IterativeSettings()
    if config.clustering_threshold is not None:
        iterative = replace(iterative, threshold=config.clustering_threshold)
    clustering = ClusteringSettings(config.clustering, asked_speakers(config).bounds, iterative, plda=plda)
    if config.preset == "auto":
        presets = preset(config, "general"), preset(config, "telephone", lower_offset=True)
    else:
        presets = preset(config, config.preset), preset(config, config.preset)
    return DiarizeSettings(clustering, *presets, quality=config.quality)


def _pipeline_settings(config: DetectConfig, stored: StoredPipeline | None) -> DiarizeSettings:
    if stored is None:
        raise DiarError(
            f"`clustering=pipeline`: {config.embeddings_dir} was made with other networks than a pipeline's; "
            "leave it out"
        )
    fields = DetectConfig.model_fields
    void = [name for name in _NOT_OF_PIPELINES if getattr(config, name) != fields[name].default]
    if void:
        raise DiarError(
            f"`{void[0]}` is not read where a pipeline decides the turns: leave it out, or choose "
            "`clustering=iterative`"
        )
    pipeline = Community.of(stored.numbers, stored.arrays)
    durations = {name: getattr(config, name) for name in ("min_duration_on", "min_duration_off")}
    pipeline = replace(pipeline, **{name: value for name, value in durations.items() if value is not None})
    return DiarizeSettings(ClusteringSettings(count=asked_speakers(config).bounds), pipeline=pipeline)


def _read_plda(config: DetectConfig) -> Plda | None:
    if config.plda is None:
        return None
    transform = None if config.plda_transform is None else Path(config.plda_transform)
    return read_plda(Path(config.plda), transform)


def read_back_end(config: DetectConfig, metadata: Mapping[str, str], dimension: int) -> BackEnd | None:
    """Read what recordings' speakers and segments are compared by; None without `plda` and `score_norm`.

    Args:
        config: of the command.
        metadata: of stage 1's output.
        dimension: of its embeddings.

    Raises:
        DiarError: a file that cannot be read, or is made for another encoder.
    """
    if config.plda is None and config.score_norm is None:
        return None
    plda, norm = _read_plda(config), None
    encoder = metadata.get("model", "that"), metadata.get("model_sha256", "")
    BackEnd(plda).check_plda(f"`plda={config.plda}`", *encoder, dimension)
    if config.score_norm is not None:
        stored = read_norm(Path(config.score_norm))
        compared = ("", dimension) if plda is None else (plda.fingerprint, len(plda.mean))
        stored.check(f"`score_norm={config.score_norm}`", *encoder, *compared)
        norm = stored.norm
    return BackEnd(plda, norm)


def boundary_settings(config: DetectConfig, back_end: BackEnd | None = None) -> BoundarySettings:
    """Return the settings of the methods that find boundaries between files."""
    return BoundarySettings(
        segment_size=config.segment_size,
        boundary_window=config.boundary_window,
        use_gmm=config.use_gmm,
        gmm_components=config.gmm_components,
        penalty=config.penalty,
        min_segment=config.min_segment,
        link=config.link,
        link_threshold=config.link_threshold,
        odd_threshold=0.5 if config.odd_threshold is None else config.odd_threshold,
        back_end=back_end,
    )


@dataclass(frozen=True)
class AskedSpeakers:
    """How many speakers a recording may have, and the source of that number."""

    bounds: SpeakerCount
    exactly: int | None = None
    source: str = ""  # `--num_speakers` or `manifest` where a number is given
    warning: str = ""  # what is wrong with what was asked

    def unmet(self, found: int) -> str:
        """Return a warning where fewer or more speakers were found than asked for, else an empty text."""
        more = self.bounds.exceeded_by(found)
        if found >= self.bounds.minimum and not more:
            return ""
        there = f"{counted(found, 'speaker')} found"
        if self.exactly is not None:
            return f"{there}, {self.exactly} asked for ({self.source})"
        if more:
            return f"{there}, at most {self.bounds.maximum} asked for (--max_speakers)"
        return f"{there}, at least {self.bounds.minimum} asked for (--min_speakers)"


def asked_speakers(config: DetectConfig, listed: int | None = None) -> AskedSpeakers:
    """Return how many speakers to find: `--num_speakers`, else the manifest's number, else the bounds.

    Args:
        config: of the run. `--min_speakers` and `--max_speakers` also bound the manifest's number.
        listed: the manifest's number for the recording.
    """
    if isinstance(config.num_speakers, int):
        count = config.num_speakers
        return AskedSpeakers(SpeakerCount(count, count), count, "--num_speakers")
    bounds = SpeakerCount(config.min_speakers or 1, config.max_speakers)
    if listed is None or config.num_speakers == "auto":
        return AskedSpeakers(bounds)
    if listed < bounds.minimum or bounds.exceeded_by(listed):
        limits = f"at least {bounds.minimum}" + (f", at most {bounds.maximum}" if bounds.maximum else "")
        return AskedSpeakers(bounds, warning=f"num_speakers {listed} of the manifest is not used ({limits})")
    return AskedSpeakers(SpeakerCount(listed, listed), listed, "manifest")


def preset(config: DetectConfig, name: str, *, lower_offset: bool = False) -> Preset:
    """Return a preset with the options that override it; the offset is never above the onset.

    Args:
        config: of the command.
        name: of the preset.
        lower_offset: take the onset for an `--offset` above it, where nobody asked for this preset.

    Raises:
        DiarError: an offset above the onset.
    """
    chosen = PRESETS[name]
    onset = config.onset or chosen.reconstruction.onset
    if config.offset is not None and config.offset > onset and not lower_offset:
        whose = "" if config.onset else f" of the preset {name}"
        raise DiarError(
            f"--offset {config.offset:g} is above the onset of {onset:g}{whose}, so speech would end as it "
            "begins; give a lower one, or a higher --onset"
        )
    reconstruction = _override(
        chosen.reconstruction,
        onset=onset,
        offset=min(onset, config.offset or chosen.reconstruction.offset),
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
    """Return `settings` with the options that are not None."""
    return replace(settings, **{name: value for name, value in options.items() if value is not None})
