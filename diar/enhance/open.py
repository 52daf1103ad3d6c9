"""Opening a denoiser by name."""

from __future__ import annotations

from diar.enhance.deepfilternet import ARCHIVE, DeepFilterNet
from diar.enhance.denoiser import Denoiser
from diar.enhance.errors import EnhancementError
from diar.enhance.gtcrn import RATE, Gtcrn
from diar.models.weights.hub import resolve

_FILE = "denoiser.onnx"


def open_denoiser(enhance: str, sample_rate: int = RATE) -> Denoiser | None:
    """Open a denoiser.

    Args:
        enhance: `none`, named weights (`gtcrn`, `deepfilternet3`), or a folder with their file.
        sample_rate: Hz of the audio that it will get.

    Returns:
        None for `none`.

    Raises:
        HubError: the weights cannot be found or fetched.
        EnhancementError: ONNX Runtime is missing, or the networks beside it do not work at 16 kHz.
    """
    if enhance == "none":
        return None
    if sample_rate != RATE:
        raise EnhancementError(f"`enhance={enhance}` works at {RATE} Hz, the networks at {sample_rate} Hz")
    folder = resolve(enhance, "enhance")
    if (folder / ARCHIVE).is_file():
        return DeepFilterNet(folder / ARCHIVE)
    return Gtcrn(folder / _FILE)
