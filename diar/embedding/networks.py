"""The networks of an extraction: together, described, and on a device."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from diar.embedding.denoisers import Denoise
from diar.embedding.settings import AskedSpeech, SpeechSettings
from diar.embedding.speech import second_opinion
from diar.embedding.speech.detector import SpeechDetector
from diar.embedding.speech.second_opinion import SecondOpinion
from diar.models.encoders.wespeaker import SpeakerModel
from diar.models.inference import Precision
from diar.models.pipelines.open import Pipeline
from diar.models.segmentation import bf16
from diar.models.segmentation.base import SegmentationModel


@dataclass(frozen=True)
class Models:
    """The networks of an extraction, on the CPU."""

    encoder: SpeakerModel
    segmentation: SegmentationModel | None
    second: SegmentationModel | None = None  # for a second opinion on where speech is
    denoise: Denoise | None = None  # before the networks
    pipeline: Pipeline | None = None  # that the first two are of


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


def describe_speech(
    first: SegmentationModel | None, second: SegmentationModel | None, precision: str
) -> dict[str, str | float]:
    """Return how the networks that find speech are run, where an earlier version ran them otherwise."""
    said: dict[str, str | float] = {}
    if first is not None and first.network.bf16_on_cpu and precision in ("mixed", "bf16"):
        said["segmentation_precision"] = "bf16"
    if second is not None:
        said["second_opinion_step"] = second_opinion.STEP
    return said


def speech_settings(
    first: SegmentationModel | None, step: float | None, silence_margin: float, speech: AskedSpeech
) -> SpeechSettings:
    """Return how speech is found: what was asked for, and the network's own where it was left open.

    Args:
        first: the network; None without one.
        step: most seconds from one seg_window to the next; None = the network's.
        silence_margin: see `SpeechSettings`.
        speech: `auto` = a second opinion where the network is one that asks for it.
    """
    if step is None:
        step = SpeechSettings.step if first is None else first.step
    if speech == "auto":
        asks = first is None or first.network.second_opinion
        speech = SpeechSettings.speech if asks else "segmentation"
    return SpeechSettings(step, silence_margin, speech)


def make_detector(
    first: SegmentationModel,
    second: SegmentationModel | None,
    settings: SpeechSettings,
    device: torch.device,
    precision: Precision = "fp32",
) -> SpeechDetector:
    """Put the networks that find speech onto a device; they are moved, not copied, but for what follows.

    Where the trunk is in half precision, so are parts of them: on a GPU the LSTMs and WavLM, in fp16; on a
    CPU that has bf16 LSTMs and convolutions, of copies.

    Raises:
        DiarError: a step that would leave audio out.
    """
    halved = precision in ("mixed", "bf16", "fp16")
    if halved and device.type == "cpu" and bf16.runs_here():
        first = replace(first, network=first.network.in_bf16())
        second = None if second is None else replace(second, network=second.network.in_bf16())
    opinion = None
    if second is not None:
        opinion = SecondOpinion(second, device, everywhere=settings.speech == "both")
    detector = SpeechDetector(first, device, settings.step, settings.silence_margin, opinion)
    if halved and device.type == "cuda":
        for model in (first, second):
            if model is not None:
                model.network.use_half()
    return detector
