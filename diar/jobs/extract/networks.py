"""The networks of a run: what the options name, opened and fitting each other."""

from __future__ import annotations

from diar import storage
from diar.embedding.networks import Models
from diar.jobs.extract.config import ExtractConfig
from diar.models.encoders.wespeaker import SpeakerModel, open_model_dir
from diar.models.open import check_frames, check_rates, open_encoder, open_segmentation
from diar.models.segmentation.pyannet import SegmentationModel

__all__ = ["Models", "open_models"]


def open_models(config: ExtractConfig) -> Models:
    """Open the networks that `--model` or `--model_dir`, `--segmentation` and `--second_segmentation` name.

    Raises:
        DiarError: one cannot be found, fetched or opened, or they do not fit each other.
    """
    encoder = _open_encoder(config)
    if config.segmentation == "none":
        return Models(encoder, None)
    segmentation = open_segmentation(config.segmentation)
    check_rates(encoder, segmentation)
    return Models(encoder, segmentation, _open_second(config, segmentation))


def _open_encoder(config: ExtractConfig) -> SpeakerModel:
    if config.model_dir is not None:
        return open_model_dir(storage.require_local(config.model_dir))
    return open_encoder() if config.model is None else open_encoder(config.model)


def _open_second(config: ExtractConfig, first: SegmentationModel) -> SegmentationModel | None:
    if config.speech == "segmentation":
        return None
    second = open_segmentation(config.second_segmentation)
    check_frames(first, second)
    return second
