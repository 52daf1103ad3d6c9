"""The networks of a run: what the options name, opened and fitting each other."""

from __future__ import annotations

from diar import storage
from diar.embed.networks import (
    Models,
    check_rates,
    open_encoder_named,
    open_second,
    open_segmentation_named,
)
from diar.embed.settings import DEFAULT_ENCODER
from diar.jobs.extract.config import ExtractConfig
from diar.models.encoders.wespeaker import open_model_dir

__all__ = ["Models", "open_models"]


def open_models(config: ExtractConfig) -> Models:
    """Open the networks that `--model` or `--model_dir`, and `--segmentation` name.

    Raises:
        DiarError: one cannot be found, fetched or opened, or they do not fit each other.
    """
    if config.model_dir is not None:
        encoder = open_model_dir(storage.require_local(config.model_dir))
    else:
        encoder = open_encoder_named(config.model or DEFAULT_ENCODER)
    if config.segmentation == "none":
        return Models(encoder, None)
    segmentation = open_segmentation_named(config.segmentation)
    check_rates(encoder, segmentation)
    if config.speech == "segmentation":
        return Models(encoder, segmentation)
    return Models(encoder, segmentation, open_second(config.second_segmentation, segmentation))
