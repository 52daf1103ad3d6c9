"""Opening a recogniser by name."""

from __future__ import annotations

from pathlib import Path

from diar.asr.addresses import is_endpoint
from diar.asr.endpoint import Endpoint, EndpointSettings
from diar.asr.errors import RecognitionError
from diar.asr.faster_whisper import FasterWhisper
from diar.asr.recogniser import Recogniser
from diar.asr.transformers_models import open_transformers
from diar.models.weights.hub import resolve

DEFAULT_RECOGNISER = "whisper-tiny.en"


def open_recogniser(
    asr: str = DEFAULT_RECOGNISER,
    *,
    device: str = "cpu",
    threads: int = 1,
    precision: str | None = None,
    beam_size: int = 5,
    endpoint: EndpointSettings | None = None,
) -> Recogniser:
    """Open a recogniser.

    Args:
        asr: named weights, a Hugging Face id, the folder of a model for CTranslate2 or transformers, or the
            address of a server that speaks OpenAI's protocol.
        device: `cpu`, `cuda` or `cuda:N`; not for a server.
        threads: of the CPU.
        precision: CTranslate2's `compute_type`, or float32, float16, bfloat16; None = by device.
        beam_size: hypotheses that are followed, by Whisper.
        endpoint: how a server is asked.

    Raises:
        HubError: the weights cannot be found or fetched.
        RecognitionError: they are no model of a known engine, or its package is missing.
    """
    if is_endpoint(asr):
        return Endpoint(asr, endpoint or EndpointSettings())
    folder = resolve(asr, "asr")
    name = asr if not Path(asr).is_dir() else Path(asr).resolve().name
    if (folder / "model.bin").is_file():
        return FasterWhisper(
            folder, name, device=device, threads=threads, precision=precision, beam_size=beam_size
        )
    if not (folder / "config.json").is_file():
        raise RecognitionError(
            f"`asr={asr}`: {folder} holds neither model.bin, as models of CTranslate2 do, nor config.json, "
            "as those of transformers do"
        )
    return open_transformers(
        folder, name, device=device, threads=threads, precision=precision, beam_size=beam_size
    )
