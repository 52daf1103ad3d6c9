"""Opening a recogniser by name."""

from __future__ import annotations

from pathlib import Path

from diar.asr.errors import RecognitionError
from diar.asr.faster_whisper import FasterWhisper
from diar.asr.recogniser import Recogniser
from diar.models.weights.hub import resolve

DEFAULT_RECOGNISER = "whisper-tiny.en"


def open_recogniser(
    asr: str = DEFAULT_RECOGNISER,
    *,
    device: str = "cpu",
    threads: int = 1,
    precision: str | None = None,
    beam_size: int = 5,
) -> Recogniser:
    """Open a recogniser.

    Args:
        asr: named weights, a Hugging Face id, or the folder of a CTranslate2 model.
        device: `cpu`, `cuda` or `cuda:N`.
        threads: of the CPU.
        precision: CTranslate2's `compute_type`; None = by device.
        beam_size: hypotheses that are followed.

    Raises:
        HubError: the weights cannot be found or fetched.
        RecognitionError: they are no model of a known engine, or its package is missing.
    """
    folder = resolve(asr, "asr")
    if not (folder / "model.bin").is_file():
        raise RecognitionError(f"`asr={asr}`: {folder} holds no model.bin, as CTranslate2 models have")
    name = asr if not Path(asr).is_dir() else Path(asr).resolve().name
    return FasterWhisper(
        folder, name, device=device, threads=threads, precision=precision, beam_size=beam_size
    )
