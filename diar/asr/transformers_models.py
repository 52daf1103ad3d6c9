"""Models of the package transformers, behind one opener: Whisper, and everything with a CTC head.

torch and transformers are imported only when such a model is opened.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from diar.asr.errors import RecognitionError
from diar.asr.recogniser import RATE, Recogniser
from diar.errors import explain
from diar.extras import require
from diar.models.weights.checksum import file_sha256

ENGINE = "transformers"
_PRECISIONS = {"cpu": "float32", "cuda": "float16"}
PRECISIONS = ("float32", "float16", "bfloat16")


def open_transformers(
    folder: Path, name: str, *, device: str, threads: int, precision: str | None, beam_size: int
) -> Recogniser:
    """Open the folder of a model.

    Args:
        folder: config.json, weights (safetensors, or pickled tensors), preprocessor and tokenizer.
        name: what results call it.
        device: `cpu`, `cuda` or `cuda:N`.
        threads: of the CPU.
        precision: float32, float16 or bfloat16; None = float32 on a CPU, float16 on a GPU.
        beam_size: hypotheses that Whisper follows; CTC models follow one.

    Raises:
        RecognitionError: the extra is missing, or it is no model that recognises.
    """
    torch, transformers = _import()
    precision = precision or _PRECISIONS.get(device.partition(":")[0], "float32")
    if precision not in PRECISIONS:
        raise RecognitionError(f"`asr_precision={precision}`: {ENGINE} takes {', '.join(PRECISIONS)}")
    torch.set_num_threads(threads)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    kind = _kind(folder)
    try:
        processor = transformers.AutoProcessor.from_pretrained(folder, local_files_only=True)
        network = getattr(transformers, kind).from_pretrained(
            folder, dtype=getattr(torch, precision), local_files_only=True, **_ATTENTION.get(kind, {})
        )
    except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
        told = " ".join(explain(error).split())
        raise RecognitionError(f"{folder} cannot be opened as a model of {ENGINE}: {told}") from None
    if processor.feature_extractor.sampling_rate != RATE:
        rate = processor.feature_extractor.sampling_rate
        raise RecognitionError(f"{folder} hears {rate} Hz; recognisers here hear {RATE} Hz")
    network = network.to(device).eval()
    if kind == _WHISPER:
        from diar.asr.transformers_whisper import TransformersWhisper

        return TransformersWhisper(network, processor, name, weights_sha256(folder), precision, beam_size)
    from diar.asr.transformers_ctc import TransformersCtc

    return TransformersCtc(network, processor, name, weights_sha256(folder), precision)


_WHISPER, _CTC = "WhisperForConditionalGeneration", "AutoModelForCTC"
_ATTENTION = {_WHISPER: {"attn_implementation": "eager"}}  # word times are found in its cross-attention


def _kind(folder: Path) -> str:
    """Return the class that opens the model."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        architectures = [str(name) for name in config.get("architectures") or []]
    except (OSError, ValueError, AttributeError) as error:
        raise RecognitionError(f"{folder}/config.json cannot be read: {explain(error)}") from None
    if _WHISPER in architectures:
        return _WHISPER
    if any(name.endswith("CTC") for name in architectures):
        return _CTC
    what = ", ".join(architectures) or "a model of no known kind"
    raise RecognitionError(f"{folder} holds {what}; Whisper and models with a CTC head can be used")


def weights_sha256(folder: Path) -> str:
    """Return the checksum of the weights; of several files, that of their checksums by name."""
    files = sorted(folder.glob("*.safetensors")) or sorted(folder.glob("pytorch_model*.bin"))
    sums = [file_sha256(file) for file in files]
    return sums[0] if len(sums) == 1 else hashlib.sha256("".join(sums).encode()).hexdigest()


def _import() -> tuple[Any, Any]:
    import torch

    return torch, require("transformers", "transformers", "this recogniser", RecognitionError)
