"""Tiny Sortformers as transformers saves them: config.json, model.safetensors, processor_config.json."""

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from diar.models.segmentation.sortformer.network import Sortformer
from diar.models.segmentation.sortformer.opening import published, read_settings
from tests.models.cases import filled

FRONT = {
    "feature_extractor_type": "NemotronAsrStreamingFeatureExtractor",
    "feature_size": 128,
    "hop_length": 160,
    "mel_filters_dtype": "float32",
    "n_fft": 512,
    "padding_value": 0.0,
    "preemphasis": 0.97,
    "sampling_rate": 16000,
    "win_length": 400,
}
EIGHT = {
    "audio_config": {
        "attention_dropout": 0.0,
        "hidden_act": "gelu",
        "hidden_size": 32,
        "intermediate_size": 48,
        "max_position_embeddings": 5000,
        "model_type": "nemotron3_diarization_audio",
        "num_attention_heads": 4,
        "num_hidden_layers": 3,
        "num_key_value_heads": 4,
        "num_mel_bins": 128,
        "rope_parameters": {"partial_rotary_factor": 1.0, "rope_theta": 10000.0, "rope_type": "default"},
        "subsampling_factor": 8,
    },
    "head_config": {
        "audio_hidden_size": 32,
        "hidden_size": 12,
        "num_speakers": 8,
        "subsampling_factor": 8,
    },
    "streaming_config": {"num_speakers": 8, "subsampling_factor": 8},
    "model_type": "nemotron3_diarization",
}


def changed(config: Mapping[str, Any], **parts: Mapping[str, Any]) -> dict[str, Any]:
    """A copy with other values in its parts."""
    return {**config, **{name: {**config[name], **values} for name, values in parts.items()}}


# case → config.json and the front end; the second differs in every size
CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "eight": (EIGHT, FRONT),
    "four": (
        changed(
            EIGHT,
            audio_config={
                **{"hidden_size": 24, "intermediate_size": 40, "num_attention_heads": 2},
                **{"num_key_value_heads": 2, "num_hidden_layers": 2, "num_mel_bins": 80},
                "rope_parameters": {"rope_theta": 500.0, "rope_type": "default"},
                "subsampling_factor": 4,
            },
            head_config={
                **{"audio_hidden_size": 24, "hidden_size": 10, "num_speakers": 4},
                "subsampling_factor": 4,
            },
            streaming_config={"num_speakers": 4, "subsampling_factor": 4},
        ),
        {**FRONT, "feature_size": 80, "preemphasis": 0.9, "mel_filters_dtype": "bfloat16"},
    ),
}


def write(folder: Path, case: str) -> dict[str, torch.Tensor]:
    """Write a model directory; return its parameters."""
    folder.mkdir(parents=True, exist_ok=True)
    config, front = CASES[case]
    write_json(folder / "config.json", config)
    write_json(folder / "processor_config.json", {"feature_extractor": front, "subsampling_factor": 8})
    settings = read_settings(folder)
    own = published(Sortformer(settings).state_dict())
    parameters = filled({**own, "silence_embeds": torch.zeros(settings.size)})
    write_safetensors(folder / "model.safetensors", parameters)
    return parameters


def write_json(file: Path, content: Any) -> None:
    file.write_text(json.dumps(content))


def write_safetensors(file: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    """Write tensors of fp32, fp16 or bf16 as the package safetensors does."""
    kinds = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    content = b""
    for name, tensor in tensors.items():
        numbers = tensor.contiguous().view(torch.uint8).numpy().tobytes()
        places = [len(content), len(content) + len(numbers)]
        header[name] = {"dtype": kinds[tensor.dtype], "shape": list(tensor.shape), "data_offsets": places}
        content += numbers
    file.write_bytes(with_header(header, content))


def with_header(header: Any, content: bytes) -> bytes:
    """A safetensors file of that header and those numbers."""
    described = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(described)) + described + content


def waveforms(batch: int, seconds: float) -> torch.Tensor:
    """(batch, samples) float32 noise whose loudness changes."""
    generator = torch.Generator().manual_seed(11)
    samples = round(seconds * 16000)
    loudness = torch.linspace(0.01, 0.3, samples) * (1 + torch.linspace(0, 40, samples).sin())
    return torch.randn(batch, samples, generator=generator) * loudness
