"""WeSpeaker's own W2VBert_Adapter_MFA on transformers' w2v-BERT, where their code is there.

`DIAR_WESPEAKER` names a checkout of wenet-e2e/wespeaker; transformers and peft are packages. WeSpeaker's
package imports more than that, so its modules are imported without what its folders import besides.
"""

import contextlib
import importlib
import importlib.util
import io
import os
import sys
import types
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

PADDING = 1  # that facebook/w2v-bert-2.0 asks for
_PACKAGES = ("wespeaker", "wespeaker.models", "wespeaker.frontend")


def missing() -> str | None:
    """Why the public code cannot run here, if it cannot."""
    if not os.environ.get("DIAR_WESPEAKER"):
        return "DIAR_WESPEAKER does not name a checkout of wenet-e2e/wespeaker"
    packages = [name for name in ("transformers", "peft") if importlib.util.find_spec(name) is None]
    return f"the package {packages[0]} is not installed" if packages else None


@contextmanager
def _importable() -> Iterator[None]:
    before = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "wespeaker"}
    for name in before:
        del sys.modules[name]
    for name in _PACKAGES:
        package = types.ModuleType(name)
        package.__path__ = [str(Path(os.environ["DIAR_WESPEAKER"], *name.split(".")))]
        sys.modules[name] = package
    try:
        yield
    finally:
        for name in [name for name in sys.modules if name.split(".")[0] == "wespeaker"]:
            del sys.modules[name]
        sys.modules.update(before)


def write_pretrained(folder: Path, sizes: Mapping[str, Any]) -> None:
    """Write what `facebook/w2v-bert-2.0` is to WeSpeaker, with random weights of other sizes."""
    from transformers import SeamlessM4TFeatureExtractor, Wav2Vec2BertConfig, Wav2Vec2BertModel

    torch.manual_seed(0)
    Wav2Vec2BertModel(Wav2Vec2BertConfig(**sizes)).save_pretrained(folder)
    SeamlessM4TFeatureExtractor(padding_value=PADDING).save_pretrained(folder)


def network(config: Mapping[str, Any], pretrained: Path) -> nn.Module:
    """WeSpeaker's model with its front end, as its command line builds it; weights are still to be loaded."""
    dataset = config["dataset_args"]
    arguments = {**dataset["w2vbert_args"], "model_name": str(pretrained), "model_config_file": None}
    with _importable(), contextlib.redirect_stdout(io.StringIO()):  # they print
        mfa = importlib.import_module("wespeaker.models.w2vbert_adapter_mfa")
        frontend = importlib.import_module("wespeaker.frontend.w2vbert")
        built = mfa.W2VBert_Adapter_MFA(**config["model_args"])
        front = frontend.W2VBertFrontend(**arguments, sample_rate=dataset["resample_rate"])
        built.add_module("frontend", front)
        return built.eval().requires_grad_(False)


def features(built: nn.Module, waveforms: torch.Tensor) -> torch.Tensor:
    """(batch, samples) → (batch, frames, 2 · mels): what the w2v-BERT is given."""
    found = built.frontend.processor(
        list(waveforms), return_tensors="pt", sampling_rate=16000, padding="longest"
    )
    return found["input_features"]


@torch.inference_mode()
def embeddings(built: nn.Module, waveforms: torch.Tensor) -> torch.Tensor:
    """(batch, samples) → (batch, embedding_dim)."""
    lengths = torch.full((len(waveforms),), waveforms.shape[1])
    states, _ = built.frontend(waveforms, lengths)
    return built(states)[-1]
