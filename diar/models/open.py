"""Open networks by a name of `diar models list`, a directory or a Hugging Face id (`org/name[@revision]`).

Networks are opened in eval mode, float32, on the CPU and without gradients. Missing weights are fetched into
the cache (`diar.models.weights.hub`).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from diar.models.defaults import DEFAULT_ENCODER, DEFAULT_SEGMENTATION
from diar.models.encoders.base import ModelError
from diar.models.encoders.wespeaker import SpeakerModel, open_model_dir
from diar.models.segmentation.base import SegmentationModel
from diar.models.segmentation.pyannet import WEIGHTS_FILES, open_segmentation_dir
from diar.models.segmentation.sortformer.opening import is_sortformer, open_sortformer
from diar.models.segmentation.wavlm import diarizen, suplime
from diar.models.weights import hub
from diar.models.weights.checkpoint import parameter_names

# Other networks than PyanNet, by how names of their parameters begin
_FAMILIES: dict[str, Callable[[Path, str], SegmentationModel]] = {
    diarizen.PREFIX: diarizen.open_diarizen,
    suplime.PREFIX: suplime.open_suplime,
}


def open_encoder(name_or_path: str = DEFAULT_ENCODER) -> SpeakerModel:
    """Open a speaker encoder; what was given becomes its name.

    Raises:
        DiarError: it cannot be found, fetched or opened.
    """
    return open_model_dir(hub.resolve(name_or_path, "model"), name_or_path)


def open_segmentation(name_or_path: str = DEFAULT_SEGMENTATION) -> SegmentationModel:
    """Open a segmentation network; what was given becomes its name.

    The names of a checkpoint's parameters tell which network it is: PyanNet, DiariZen's or SUPlime's. What
    transformers saves tells it in a file of its own.

    Raises:
        DiarError: it cannot be found, fetched or opened.
    """
    folder = _with_weights(hub.resolve(name_or_path, "segmentation"))
    if is_sortformer(folder) and not any((folder / name).is_file() for name in WEIGHTS_FILES):
        return open_sortformer(folder, name_or_path)
    weights = folder / "pytorch_model.bin"
    if weights.is_file() and not (folder / WEIGHTS_FILES[0]).is_file():
        names = parameter_names(weights)
        for prefix, open_one in _FAMILIES.items():
            if any(name.startswith(prefix) for name in names):
                return open_one(folder, name_or_path)
    return open_segmentation_dir(folder, name_or_path)


def _with_weights(folder: Path) -> Path:
    """Return the folder itself, or the one in it that a whole pipeline's folder has its segmentation in."""
    inner = folder / "segmentation"
    has_own = any((folder / name).is_file() for name in WEIGHTS_FILES)
    return inner if not has_own and (inner / "pytorch_model.bin").is_file() else folder


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
        ModelError: they are not, or one of them is no PyanNet.
    """
    if not (first.network.second_opinion and second.network.second_opinion):
        raise ModelError(
            f"{first.name} and `second_segmentation={second.name}`: only a PyanNet asks another for a second "
            "opinion; use `speech=segmentation`"
        )
    if second.network.frames != first.network.frames:
        raise ModelError(
            f"`second_segmentation={second.name}` has other frames than {first.name}; "
            "use `speech=segmentation`"
        )
