"""The networks of a run: what the options name, opened and fitting each other."""

from __future__ import annotations

from dataclasses import dataclass

from diar import storage
from diar.errors import DiarError
from diar.jobs.extract.config import ExtractConfig
from diar.models.encoders.wespeaker import SpeakerModel, open_model_dir
from diar.models.segmentation.pyannet import SegmentationModel, open_segmentation
from diar.models.weights import hub

DEFAULT_MODEL = "campplus-zh-en"


@dataclass(frozen=True)
class Models:
    """The networks of a run."""

    encoder: SpeakerModel
    segmentation: SegmentationModel | None
    second: SegmentationModel | None = None  # for a second opinion on where speech is


def open_models(config: ExtractConfig) -> Models:
    """The networks that `--model` or `--model_dir`, and `--segmentation` name.

    Raises:
        DiarError: one cannot be found, fetched or opened, or they do not fit each other.
    """
    if config.model_dir is not None:
        encoder = open_model_dir(storage.require_local(config.model_dir))
    else:
        name = config.model or DEFAULT_MODEL
        encoder = open_model_dir(hub.resolve(name), name)
    if config.segmentation == "none":
        return Models(encoder, None)
    segmentation = open_segmentation(hub.resolve(config.segmentation), config.segmentation)
    if segmentation.sample_rate != encoder.fbank.sample_rate:
        raise DiarError(
            f"--segmentation {config.segmentation} works at {segmentation.sample_rate} Hz, "
            f"but {encoder.name} at {encoder.fbank.sample_rate} Hz; use --segmentation none"
        )
    return Models(encoder, segmentation, _second_segmentation(config, segmentation))


def _second_segmentation(config: ExtractConfig, first: SegmentationModel) -> SegmentationModel | None:
    if config.speech == "segmentation":
        return None
    second = open_segmentation(hub.resolve(config.second_segmentation), config.second_segmentation)
    if second.network.frames != first.network.frames:
        raise DiarError(
            f"--second_segmentation {config.second_segmentation} has other frames than {first.name}; "
            "use --speech segmentation"
        )
    return second
