"""The networks of an extraction: opened by name, and fitting each other."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from diar.embed.second_opinion import SecondOpinion
from diar.embed.settings import SpeechSettings
from diar.embed.speech import SpeechDetector
from diar.errors import DiarError
from diar.models.encoders.wespeaker import SpeakerModel, open_model_dir
from diar.models.segmentation.pyannet import SegmentationModel, open_segmentation
from diar.models.weights import hub


@dataclass(frozen=True)
class Models:
    """The networks of an extraction, on the CPU."""

    encoder: SpeakerModel
    segmentation: SegmentationModel | None
    second: SegmentationModel | None = None  # for a second opinion on where speech is


def open_encoder_named(name: str) -> SpeakerModel:
    """Open the encoder that `name` stands for: named weights, a model directory or a Hugging Face id.

    Raises:
        DiarError: it cannot be found, fetched or opened.
    """
    return open_model_dir(hub.resolve(name), name)


def open_segmentation_named(name: str) -> SegmentationModel:
    """Open the segmentation network that `name` stands for; see `open_encoder_named`."""
    return open_segmentation(hub.resolve(name), name)


def open_second(name: str, first: SegmentationModel) -> SegmentationModel:
    """Open the network of the second opinion.

    Raises:
        DiarError: its frames are not those of `first`; otherwise as `open_encoder_named`.
    """
    second = open_segmentation_named(name)
    if second.network.frames != first.network.frames:
        raise DiarError(
            f"second_segmentation {name} has other frames than {first.name}; use speech segmentation"
        )
    return second


def check_rates(encoder: SpeakerModel, segmentation: SegmentationModel) -> None:
    """Refuse networks that work at different sample rates.

    Raises:
        DiarError: they do.
    """
    if segmentation.sample_rate != encoder.fbank.sample_rate:
        raise DiarError(
            f"segmentation {segmentation.name} works at {segmentation.sample_rate} Hz, "
            f"but {encoder.name} at {encoder.fbank.sample_rate} Hz; use segmentation none"
        )


def describe_encoder(encoder: SpeakerModel) -> dict[str, str]:
    """Return what is stored with the embeddings that an encoder makes."""
    return {
        "model": encoder.name,
        "model_sha256": encoder.sha256,
        "architecture": encoder.architecture,
        "embedding_dim": str(encoder.encoder.embedding_dim),
    }


def describe_segmentation(segmentation: SegmentationModel) -> dict[str, str]:
    """Return what is stored of a segmentation network: its name, and where its frames lie in a seg_window."""
    return {
        "segmentation": segmentation.name,
        "segmentation_sha256": segmentation.sha256,
        "activity_first_center": repr(segmentation.network.frames.first_center),
        "activity_step": repr(segmentation.network.frames.step_seconds),
    }


def make_detector(
    first: SegmentationModel,
    second: SegmentationModel | None,
    settings: SpeechSettings,
    device: torch.device,
) -> SpeechDetector:
    """Put the networks that find speech onto a device; they are moved, not copied.

    Raises:
        DiarError: a step that would leave audio out.
    """
    opinion = None
    if second is not None:
        opinion = SecondOpinion(second, device, everywhere=settings.speech == "both")
    return SpeechDetector(first, device, settings.step, settings.silence_margin, opinion)
