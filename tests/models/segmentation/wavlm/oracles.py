"""DiariZen's and SUPlime's own networks, where their code is there.

DiariZen is no package: `DIAR_DIARIZEN` names a checkout of BUTSpeechFIT/DiariZen. SUPlime is the wheel
`suplime`. Of pyannote.audio, DiariZen's network needs a fork of its own; two functions and the base class
stand in for it here.
"""

import importlib
import importlib.util
import os
import sys
import types
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import comb
from typing import Any

import torch
from torch import nn


def diarizen_missing() -> str | None:
    """Why DiariZen's code cannot run here, if it cannot."""
    folder = os.environ.get("DIAR_DIARIZEN")
    return None if folder else "DIAR_DIARIZEN does not name a checkout of BUTSpeechFIT/DiariZen"


def suplime_missing() -> str | None:
    """Why SUPlime's code cannot run here, if it cannot."""
    there = importlib.util.find_spec("suplime") is not None
    return None if there else "the package suplime is not installed"


class _Base(nn.Module):
    """pyannote.audio's base class, as far as a network needs it."""

    def __init__(self, max_speakers_per_chunk: int, max_speakers_per_frame: int, **_: Any) -> None:
        super().__init__()
        sets = range(max_speakers_per_frame + 1)
        classes = sum(comb(max_speakers_per_chunk, number) for number in sets)
        self.specifications = types.SimpleNamespace(powerset=True, num_powerset_classes=classes)

    def default_activation(self) -> nn.Module:
        return nn.LogSoftmax(dim=-1)


@contextmanager
def _diarizen_importable() -> Iterator[None]:
    model, field = types.ModuleType("model"), types.ModuleType("receptive_field")
    model.Model = _Base
    for name in (
        "multi_conv_num_frames",
        "multi_conv_receptive_field_size",
        "multi_conv_receptive_field_center",
    ):
        setattr(field, name, None)
    stand_ins = {
        **{name: types.ModuleType(name) for name in ("pyannote.audio", "pyannote.audio.core")},
        "pyannote.audio.core.model": model,
        "pyannote.audio.utils": types.ModuleType("utils"),
        "pyannote.audio.utils.receptive_field": field,
    }
    before = {name: sys.modules.get(name) for name in stand_ins}
    sys.modules.update(stand_ins)
    sys.path.insert(0, os.environ["DIAR_DIARIZEN"])
    try:
        yield
    finally:
        sys.path.remove(os.environ["DIAR_DIARIZEN"])
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


def diarizen_network(wavlm: Mapping[str, Any] | str, arguments: Mapping[str, Any]) -> nn.Module:
    """DiariZen's network; `wavlm` is a name of its own, or the sizes that its pruning wrote."""
    with _diarizen_importable():
        theirs = importlib.import_module("diarizen.models.eend.model_wavlm_conformer")
        wav2vec2 = importlib.import_module("diarizen.models.module.wav2vec2.model")
    given = {**arguments, "wavlm_src": wavlm if isinstance(wavlm, str) else "wavlm_base_s80_md"}
    network = theirs.Model(**given)
    if not isinstance(wavlm, str):
        network.wavlm_model = wav2vec2.wav2vec2_model(**wavlm)
    return network.eval().requires_grad_(False)


def suplime_network(hyper_parameters: Mapping[str, Any], seconds: float) -> nn.Module:
    """SUPlime's network, of 4 local speakers and 2 at once."""
    from pyannote.audio.core.task import Problem, Resolution, Specifications
    from suplime.models.segmentation import SuplimeSegmentation

    network = SuplimeSegmentation(**hyper_parameters)
    network.specifications = Specifications(
        problem=Problem.MONO_LABEL_CLASSIFICATION,
        resolution=Resolution.FRAME,
        duration=seconds,
        classes=[f"speaker#{number}" for number in range(1, 5)],
        powerset_max_classes=2,
        permutation_invariant=True,
    )
    network.build()
    return network.eval().requires_grad_(False)


@torch.inference_mode()
def answer(network: nn.Module, waveform: torch.Tensor, one_by_one: bool = False) -> torch.Tensor:
    """(batch, samples) → (batch, frames, classes) of one of these networks."""
    parts = waveform.split(1) if one_by_one else [waveform]
    return torch.cat([network(part.unsqueeze(1)) for part in parts])
