"""Tiny networks of WavLM and Conformer as checkpoints: each layer has other sizes, as pruning leaves them."""

import io
import json
import sys
import types
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from diar.models.segmentation.wavlm import diarizen, suplime
from diar.models.segmentation.wavlm.names import DIARIZEN, suplime_rules, to_checkpoint
from diar.models.segmentation.wavlm.network import WavLMConformer
from tests.models.cases import filled

TAPS = [(10, 5), (3, 2), (3, 2), (3, 2), (3, 2), (2, 2), (2, 2)]
COMMON = {
    "extractor_conv_bias": False,
    "encoder_embed_dim": 32,
    "encoder_projection_dropout": 0.1,
    "encoder_pos_conv_kernel": 8,
    "encoder_pos_conv_groups": 4,
    "encoder_num_layers": 4,
    "encoder_num_buckets": 32,
    "encoder_max_distance": 40,
    "encoder_attention_dropout": 0.1,
    "encoder_ff_interm_dropout": 0.0,
    "encoder_dropout": 0.1,
    "encoder_layer_drop": 0.05,
    "aux_num_out": None,
}
BASE = {"extractor_mode": "group_norm", "encoder_layer_norm_first": False}
LARGE = {"extractor_mode": "layer_norm", "encoder_layer_norm_first": True}
PRUNED = {
    "extractor_conv_layer_config": [[c, *taps] for c, taps in zip((6, 5, 7, 6, 5, 6, 7), TAPS, strict=True)],
    "encoder_use_attention": [True, False, True, True],
    "encoder_use_feed_forward": [True, True, False, True],
    "encoder_total_num_heads": [4] * 4,
    "encoder_remaining_heads": [[1, 3], [], [0, 1, 2, 3], [2]],
    "encoder_ff_interm_features": [12, 5, 7, 9],
}
WHOLE = {
    "extractor_conv_layer_config": [(8, *taps) for taps in TAPS],
    "encoder_num_heads": 4,
    "encoder_ff_interm_features": 24,
}

# case → pruned_config.json of DiariZen
DIARIZEN_CASES: dict[str, dict[str, Any]] = {
    "diarizen-base": {**COMMON, **BASE, **PRUNED, "normalize_waveform": False},
    "diarizen-large": {**COMMON, **LARGE, **PRUNED, "normalize_waveform": True},
    "diarizen-no-distances": {
        **COMMON,
        **LARGE,
        **PRUNED,
        "normalize_waveform": True,
        "encoder_use_attention": [False, True, True, True],
        "encoder_remaining_heads": [[], [0], [0, 1, 2, 3], [2]],
    },
}
ARGUMENTS = {
    "wavlm_src": "tiny.bin",
    "wavlm_layer_num": 5,
    "wavlm_feat_dim": 32,
    "attention_in": 16,
    "ffn_hidden": 20,
    "num_head": 2,
    "num_layer": 2,
    "kernel_size": 7,
    "chunk_size": 4,
    "max_speakers_per_chunk": 4,
}
# case → hyper-parameters of SUPlime
SUPLIME_CASES: dict[str, dict[str, Any]] = {
    f"suplime-{kind}": {
        "wav2vec": {**COMMON, **sizes, **WHOLE},
        "wav2vec_layer": -1,
        "conformer": {"num_heads": 2, "ffn_dim": 20, "num_layers": 2, "depthwise_conv_kernel_size": 7},
        "linear": {"hidden_size": 12, "num_layers": 2},
        "normalize_waveform": kind == "large",
        "sample_rate": 16000,
        "num_channels": 1,
    }
    for kind, sizes in (("base", BASE), ("large", LARGE))
}


@dataclass
class Specifications:
    """What pyannote.audio saves of a task, as far as it is read."""

    duration: float = 4.0
    classes: list[str] = field(default_factory=lambda: [f"speaker#{i}" for i in range(1, 5)])
    powerset_max_classes: int | None = 2


def write_diarizen(
    folder: Path, case: str, arguments: dict[str, Any] | None = None
) -> dict[str, torch.Tensor]:
    """Write a model directory of DiariZen; return its parameters."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pruned_config.json").write_text(json.dumps(DIARIZEN_CASES[case]))
    write_config(folder, arguments or ARGUMENTS)
    own = WavLMConformer(diarizen.read_settings(folder)).state_dict()
    parameters = filled(to_checkpoint(own, DIARIZEN))
    torch.save(parameters, folder / "pytorch_model.bin")
    return parameters


def write_config(folder: Path, arguments: dict[str, Any], seg_duration: float | None = None) -> None:
    """Write config.toml as DiariZen has it."""
    lines = ["[model]", 'path = "diarizen.models.eend.model_wavlm_conformer.Model"', "[model.args]"]
    lines += [f"{name} = {toml_value(value)}" for name, value in arguments.items()]
    if seg_duration is not None:
        lines += ["[inference.args]", f"seg_duration = {seg_duration}"]
    (folder / "config.toml").write_text("\n".join(lines) + "\n")


def toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)


def write_suplime(folder: Path, case: str, **specifications: Any) -> dict[str, torch.Tensor]:
    """Write a model directory of SUPlime; return its parameters."""
    folder.mkdir(parents=True, exist_ok=True)
    about = about_suplime(SUPLIME_CASES[case], **specifications)
    settings = suplime.settings_of(read_back({"state_dict": {}, **about}))
    prefix = "wav2vec.model." if settings.wavlm.normalized else "wav2vec."
    own = WavLMConformer(settings).state_dict()
    parameters = filled(to_checkpoint(own, suplime_rules(prefix)))
    (folder / "pytorch_model.bin").write_bytes(saved({"state_dict": parameters, **about}))
    return parameters


def about_suplime(hyper_parameters: dict[str, Any], **specifications: Any) -> dict[str, Any]:
    """What stands beside the parameters in a checkpoint of pyannote.audio."""
    architecture = {"module": "suplime.models.segmentation", "class": "SuplimeSegmentation"}
    saved_by = {"versions": {"pyannote.audio": "4.0.7"}, "architecture": architecture}
    return {
        "hyper_parameters": hyper_parameters,
        "pyannote.audio": {**saved_by, "specifications": Specifications(**specifications)},
    }


def saved(content: Any) -> bytes:
    """A checkpoint in which `Specifications` is pyannote.audio's class, whether that is installed or not."""
    stand_in, name = types.ModuleType("task"), "pyannote.audio.core.task"
    stand_in.Specifications = Specifications
    before = sys.modules.get(name)
    file = io.BytesIO()
    sys.modules[name], Specifications.__module__ = stand_in, name
    try:
        torch.save(content, file)
    finally:
        Specifications.__module__ = __name__
        sys.modules.pop(name)
        if before is not None:
            sys.modules[name] = before
    return file.getvalue()


def read_back(content: Any) -> Any:
    """What a checkpoint says of itself, once it is a file."""
    from diar.models.weights.inert import CheckpointArchive

    return CheckpointArchive(io.BytesIO(saved(content))).description()


def waveforms(batch: int, seconds: float) -> torch.Tensor:
    """(batch, samples) float32 noise whose loudness changes."""
    generator = torch.Generator().manual_seed(7)
    samples = round(seconds * 16000)
    loudness = torch.linspace(0.01, 0.3, samples) * (1 + torch.linspace(0, 40, samples).sin())
    return torch.randn(batch, samples, generator=generator) * loudness
