"""The networks of a run: what the options name, opened, fitting each other, and on a rank's device."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import torch

from diar import storage
from diar.embedding.chunks import ChunkSettings
from diar.embedding.denoisers import Denoisers
from diar.embedding.embedder import TrackEmbedder
from diar.embedding.networks import Models, make_detector
from diar.enhance.open import open_denoiser
from diar.jobs.extract.config import ExtractConfig
from diar.jobs.extract.networks.pipelines import asked_speech, heard_by, local_masks
from diar.jobs.progress.counters import Counters
from diar.models.encoders.base import ModelError
from diar.models.encoders.wespeaker import SpeakerModel, open_model_dir
from diar.models.inference import Precision, check_precision
from diar.models.open import check_frames, check_rates, open_encoder, open_segmentation
from diar.models.pipelines.open import open_pipeline
from diar.models.segmentation.base import SegmentationModel

if TYPE_CHECKING:
    from diar.export.backend import OtherTrunk

__all__ = ["MakeEmbedder", "Models", "build_embedder", "open_models"]

MakeEmbedder = Callable[[ExtractConfig, Models, ChunkSettings, torch.device, Counters], TrackEmbedder]


def open_models(config: ExtractConfig) -> Models:
    """Open the networks that `--pipeline`, or `--model`, `--model_dir` and `--segmentation` name.

    Raises:
        DiarError: one cannot be found, fetched or opened, or they do not fit each other.
    """
    if config.pipeline is not None:
        return _open_pipeline(config, config.pipeline)
    encoder = _open_encoder(config)
    denoise = open_denoiser(config.enhance, encoder.fbank.sample_rate)
    if config.segmentation == "none":
        return Models(encoder, None, denoise=denoise)
    segmentation = open_segmentation(config.segmentation)
    check_rates(encoder, segmentation)
    return Models(encoder, segmentation, _open_second(config, segmentation), denoise)


def _open_pipeline(config: ExtractConfig, name: str) -> Models:
    pipeline = open_pipeline(name)
    second = None if config.pipeline_sees == "seg_windows" else _open_second(config, pipeline.segmentation)
    denoise = open_denoiser(config.enhance, pipeline.encoder.fbank.sample_rate)
    return Models(pipeline.encoder, pipeline.segmentation, second, denoise, pipeline)


def _open_encoder(config: ExtractConfig) -> SpeakerModel:
    if config.model_dir is not None:
        return open_model_dir(storage.require_local(config.model_dir))
    return open_encoder() if config.model is None else open_encoder(config.model)


def _open_second(config: ExtractConfig, first: SegmentationModel) -> SegmentationModel | None:
    if asked_speech(config, first).speech == "segmentation":
        return None
    second = open_segmentation(config.second_segmentation)
    check_frames(first, second)
    return second


def build_embedder(
    config: ExtractConfig,
    models: Models,
    settings: ChunkSettings,
    device: torch.device,
    counters: Counters,
) -> TrackEmbedder:
    """Put the run's networks on this rank's device.

    Raises:
        DiarError: the device cannot compute with `--precision`.
    """
    precision = cast(Precision, config.precision)
    check_precision(precision, device)
    detector = None
    if models.segmentation is not None:
        found_by = heard_by(config, models)
        detector = make_detector(models.segmentation, models.second, found_by, device, precision)
    denoise = models.denoise
    return TrackEmbedder(
        models.encoder,
        detector,
        settings,
        device,
        precision=precision,
        denoisers=Denoisers(
            denoise if config.enhance_for in ("both", "segmentation") else None,
            denoise if config.enhance_for in ("both", "embedding") else None,
        ),
        meter=counters,
        trunk=_other_trunk(config, models.encoder, device),
        local_masks=local_masks(config, models),
    )


def _other_trunk(config: ExtractConfig, model: SpeakerModel, device: torch.device) -> OtherTrunk | None:
    """Return what computes the encoder's trunk in place of torch.

    Raises:
        DiarError: it cannot on this device, or with `--precision`.
    """
    if config.backend == "torch":
        return None
    from diar.export.backend import open_trunk

    if config.precision != "fp32":
        raise ModelError(f"`backend={config.backend}` computes in fp32, not in {config.precision}")
    threads = torch.get_num_threads()
    return open_trunk(model, device, backend=config.backend, provider=config.provider, threads=threads)
