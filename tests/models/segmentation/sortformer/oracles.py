"""Nemotron 3 Diarization as transformers has it, where that is installed (5.18 and later)."""

import copy
import importlib.util
from collections.abc import Mapping
from typing import Any

import torch

ONE_CHUNK = 100_000  # frames: a chunk that holds all of a seg_window, so that the cache stays empty


def missing() -> str | None:
    """Why transformers' network cannot run here, if it cannot."""
    if importlib.util.find_spec("transformers") is None:
        return "the package transformers is not installed"
    there = importlib.util.find_spec("transformers.models.nemotron3_diarization") is not None
    return None if there else "this transformers is older than Nemotron 3 Diarization"


def network(config: Mapping[str, Any]) -> torch.nn.Module:
    """Its network with initial values, by what config.json holds."""
    from transformers import Nemotron3DiarizationConfig, Nemotron3DiarizationForAudioFrameClassification

    given = {name: value for name, value in copy.deepcopy(dict(config)).items() if name != "model_type"}
    theirs = Nemotron3DiarizationForAudioFrameClassification(
        Nemotron3DiarizationConfig(**given, chunk_length=ONE_CHUNK)
    )
    return theirs.eval().requires_grad_(False)


def extractor(front: Mapping[str, Any]) -> Any:
    """Its front end, by what processor_config.json holds."""
    from transformers import NemotronAsrStreamingFeatureExtractor

    given = {name: value for name, value in front.items() if name != "feature_extractor_type"}
    return NemotronAsrStreamingFeatureExtractor(**given)


def inputs(front: Any, waveform: torch.Tensor) -> dict[str, torch.Tensor]:
    """What its front end makes of (batch, samples)."""
    made = front([one.numpy() for one in waveform], sampling_rate=16000, return_tensors="pt")
    return {name: made[name] for name in ("input_features", "attention_mask")}


@torch.inference_mode()
def log_odds(theirs: torch.nn.Module, front: Any, waveform: torch.Tensor) -> torch.Tensor:
    """(batch, samples) → (batch, frames, speakers) of frames that its mask calls valid."""
    given = inputs(front, waveform)
    valid = int(given["attention_mask"][0].sum())
    return theirs(**given).logits[:, :valid]
