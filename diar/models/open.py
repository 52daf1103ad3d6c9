"""Open networks by a name of `diar models list`, a directory or a Hugging Face id (`org/name[@revision]`).

Networks are opened in eval mode, float32, on the CPU and without gradients. Missing weights are fetched into
the cache (`diar.models.weights.hub`).
"""

from __future__ import annotations

from diar.models.defaults import DEFAULT_ENCODER, DEFAULT_SEGMENTATION
from diar.models.encoders.base import ModelError
from diar.models.encoders.wespeaker import SpeakerModel, open_model_dir
from diar.models.segmentation.base import SegmentationModel
from diar.models.segmentation.pyannet import open_segmentation_dir
from diar.models.weights import hub


def open_encoder(name_or_path: str = DEFAULT_ENCODER) -> SpeakerModel:
    """Open a speaker encoder; what was given becomes its name.

    Raises:
        DiarError: it cannot be found, fetched or opened.
    """
    return open_model_dir(hub.resolve(name_or_path, "model"), name_or_path)


def open_segmentation(name_or_path: str = DEFAULT_SEGMENTATION) -> SegmentationModel:
    """Open a segmentation network; what was given becomes its name.

    Raises:
        DiarError: it cannot be found, fetched or opened.
    """
    return open_segmentation_dir(hub.resolve(name_or_path, "segmentation"), name_or_path)


def check_rates(encoder: SpeakerModel, segmentation: SegmentationModel) -> None:
    """Refuse networks that work at different sample rates.

    Raises:
        ModelError: they do.
    """
    if segmentation.sample_rate != encoder.fbank.sample_rate:
        raise ModelError(
            f"`segmentation={segmentation.name}` works at {segmentation.sample_rate} Hz, "
            f"but {encoder.name} at {encoder.fbank.sample_rate} Hz; use `segmentation=none`"
        )


def check_frames(first: SegmentationModel, second: SegmentationModel) -> None:
    """Refuse a network of the second opinion whose frames are not those of the first.

    Raises:
        ModelError: they are not.
    """
    if second.network.frames != first.network.frames:
        raise ModelError(
            f"`second_segmentation={second.name}` has other frames than {first.name}; "
            "use `speech=segmentation`"
        )
