"""Which networks hear live, and how they compute."""

from __future__ import annotations

import torch

from diar.models.encoders.base import ModelError
from diar.models.encoders.wespeaker import SpeakerModel
from diar.models.inference import Precision, best_precision
from diar.models.segmentation import bf16
from diar.models.segmentation.base import SegmentationModel
from diar.models.segmentation.pyannet import PyanNet

LIVE_WINDOW = 5.0  # seconds that the segmentation network sees at each hop


def live_network(segmentation: SegmentationModel) -> PyanNet:
    """Return the network of live streams.

    Raises:
        ModelError: it is none that half a second of sound can be shown to at a time.
    """
    if isinstance(segmentation.network, PyanNet):
        return segmentation.network
    raise ModelError(
        f"`segmentation={segmentation.name}` cannot hear live: it would see {LIVE_WINDOW:g} s anew several "
        "times a second, for which it takes too long. Live streams need segmentation-3.0 or another PyanNet; "
        "recordings can have it"
    )


def live_encoder(model: SpeakerModel) -> SpeakerModel:
    """Return the encoder of live streams.

    Raises:
        ModelError: it takes too long to tell half a second later whose voice is heard.
    """
    if not model.encoder.recordings_only:
        return model
    raise ModelError(
        f"`model={model.name}` cannot tell voices live: a {model.architecture} takes too long for two "
        "seconds of sound at each change of speakers. Live streams need a smaller encoder; recordings can "
        "have it"
    )


def quick_network(network: PyanNet, device: torch.device) -> PyanNet:
    """Return the network in bf16 where the CPU has it; that takes half as long."""
    return network.in_bf16() if device.type == "cpu" and bf16.runs_here() else network


def live_precision(device: torch.device) -> Precision:
    """Return the precision of the networks where none is asked for.

    On CPUs with bf16 the whole trunk has it: tracks then take two thirds of the time of `best_precision`, and
    turns are as good (decision 099).
    """
    best = best_precision(device)
    return "bf16" if best == "mixed" else best
