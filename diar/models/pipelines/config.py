"""`config.yaml` of a pipeline folder: pyannote.audio's SpeakerDiarization with VBx clustering.

pipeline:
  name: pyannote.audio.pipelines.SpeakerDiarization
  params:
    clustering: VBxClustering
    segmentation: $model/segmentation
    embedding: $model/embedding
    plda: $model/plda
    embedding_exclude_overlap: true        # false where missing
    segmentation_step: 0.1                 # of a seg_window; that where missing
params:
  clustering: {threshold: 0.6, Fa: 0.07, Fb: 0.8}
  segmentation: {min_duration_off: 0.0}    # that where missing
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diar.errors import explain
from diar.models.encoders.base import ModelError
from diar.texts import read_yaml

CONFIG_FILE = "config.yaml"
_PIPELINE_CLASS = "SpeakerDiarization"
_CLUSTERING = "VBxClustering"
_PARTS = ("segmentation", "embedding", "plda")


@dataclass(frozen=True)
class PipelineConfig:
    """Numbers of a pipeline; the defaults are those of community-1."""

    exclude_overlap: bool = True  # an embedding is pooled where nobody else speaks, if that is enough
    segmentation_step: float = 0.1  # from one seg_window to the next, as a share of its length
    threshold: float = 0.6  # distance of unit vectors down to which clusters merge before VBx
    fa: float = 0.07
    fb: float = 0.8
    min_duration_off: float = 0.0  # seconds; shorter pauses within a turn are closed


def read_pipeline_config(folder: Path) -> PipelineConfig:
    """Read the configuration of a pipeline folder.

    Raises:
        ModelError: it is missing or unreadable, or describes another pipeline than can be run.
    """
    file = folder / CONFIG_FILE
    try:
        content = read_yaml(file)
    except (OSError, ValueError) as error:
        raise ModelError(f"{file} cannot be read as YAML: {explain(error)}") from None
    pipeline = _section(content, "pipeline", file)
    params, tuned = _section(pipeline, "params", file), _section(content, "params", file)
    _check(pipeline, params, file)
    clustering = _section(tuned, "clustering", file)
    segmentation = tuned.get("segmentation") or {}
    try:
        config = PipelineConfig(
            exclude_overlap=bool(params.get("embedding_exclude_overlap", False)),
            segmentation_step=float(params.get("segmentation_step", 0.1)),
            threshold=float(clustering["threshold"]),
            fa=float(clustering["Fa"]),
            fb=float(clustering["Fb"]),
            min_duration_off=float(segmentation.get("min_duration_off", 0.0)),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(f"{file}: params lack a number or have a wrong one: {error!r}") from None
    _check_numbers(config, file)
    return config


def _check(pipeline: Mapping[str, Any], params: Mapping[str, Any], file: Path) -> None:
    name = str(pipeline.get("name", ""))
    if name.rpartition(".")[2] != _PIPELINE_CLASS:
        raise ModelError(
            f"{file}: pipeline.name is {name!r}, a {_PIPELINE_CLASS} of pyannote.audio is expected"
        )
    if params.get("clustering", _CLUSTERING) != _CLUSTERING:
        raise ModelError(
            f"{file}: clustering is {params['clustering']!r}, {_CLUSTERING} is expected (community-1 has it)"
        )
    for part in _PARTS:
        if params.get(part) != f"$model/{part}":
            raise ModelError(
                f"{file}: {part} is {params.get(part)!r}, '$model/{part}' is expected: networks and PLDA "
                "model lie in the pipeline's own folder"
            )


def _check_numbers(config: PipelineConfig, file: Path) -> None:
    good = {
        "segmentation_step": 0 < config.segmentation_step <= 1,
        "threshold": 0 <= config.threshold < math.inf,
        "fa": 0 < config.fa < math.inf,
        "fb": 0 < config.fb < math.inf,
        "min_duration_off": 0 <= config.min_duration_off < math.inf,
    }
    for name, fits in good.items():
        if not fits:
            raise ModelError(f"{file}: {name} is {getattr(config, name)}, which is out of range")


def _section(content: Any, key: str, file: Path) -> dict[str, Any]:
    found = content.get(key) if isinstance(content, dict) else None
    if not isinstance(found, dict):
        raise ModelError(f"{file} has no section {key!r}; a pipeline of pyannote.audio is expected")
    return found
