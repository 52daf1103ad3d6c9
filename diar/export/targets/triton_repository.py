"""A model repository of Triton Inference Server: networks, and an ensemble of both."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch import Tensor

from diar.export.graph.parts import Part
from diar.storage import write_bytes_atomic

Engine = Literal["onnxruntime", "python"]
EMBEDDING, SEGMENTATION, ENSEMBLE = "speaker_embedding", "speaker_segmentation", "speakers"
TRUNK = "speaker_trunk"  # what diar asks itself, `--backend http://…`
MODEL_FILE, PYTHON_FILE = "model.onnx", "model.py"


@dataclass(frozen=True)
class Serving:
    """How Triton runs the networks.

    Attributes:
        engine: its ONNX Runtime backend, or its Python backend, which runs onnxruntime by a script.
        max_batch: most requests of one length in a forward pass.
        queue_delay_ms: how long a request waits for others.
        instances: of each network, per GPU or on the CPU.
    """

    engine: Engine = "onnxruntime"
    max_batch: int = 16
    queue_delay_ms: float = 5.0
    instances: int = 1


def model_folder(repository: Path, name: str) -> Path:
    """Return where the files of version 1 of a model lie."""
    return repository / name / "1"


def write_model(repository: Path, name: str, part: Part, serving: Serving, told: Mapping[str, str]) -> None:
    """Write what stands beside `model.onnx`: config.pbtxt, and the script of the Python backend.

    Args:
        repository: the folder that Triton is given.
        name: of the model.
        part: that model.onnx holds.
        serving: how Triton runs it.
        told: parameters that the server tells whoever asks for the model's configuration.
    """
    config = model_config(name, part, serving, told)
    write_bytes_atomic(str(repository / name / "config.pbtxt"), config.encode())
    if serving.engine == "python":
        script = Path(__file__).with_name("triton_python_model.py").read_bytes()
        write_bytes_atomic(str(model_folder(repository, name) / PYTHON_FILE), script)


def model_config(name: str, part: Part, serving: Serving, told: Mapping[str, str]) -> str:
    """Return the text of config.pbtxt."""
    engine = 'backend: "onnxruntime"' if serving.engine == "onnxruntime" else 'backend: "python"'
    delay = round(serving.queue_delay_ms * 1000)
    preferred = sorted({max(1, serving.max_batch // share) for share in (4, 2, 1)})
    return f"""\
name: "{name}"
{engine}
max_batch_size: {serving.max_batch}
{_tensors("input", part, part.example)}
{_tensors("output", part, part.made())}
dynamic_batching {{
  preferred_batch_size: {preferred}
  max_queue_delay_microseconds: {delay}
}}
instance_group [ {{ kind: KIND_AUTO count: {serving.instances} }} ]
{_list("parameters", [_parameter(*one) for one in {"threads": "1", **told}.items()])}
"""


def write_ensemble(repository: Path, parts: Mapping[str, Part], max_batch: int) -> None:
    """Write the model that answers one request by all `parts`, named models.

    Inputs of the same name are the same input.
    """
    inputs: dict[str, str] = {}
    outputs: list[str] = []
    steps: list[str] = []
    for name, part in parts.items():
        made = part.made()
        for given in part.inputs:
            inputs[given] = _tensor(given, part.example[given], part.axes[given])
        outputs += [_tensor(output, made[output], part.axes[output]) for output in part.outputs]
        steps.append(_step(name, part))
    text = f"""\
name: "{ENSEMBLE}"
platform: "ensemble"
max_batch_size: {max_batch}
{_list("input", list(inputs.values()))}
{_list("output", outputs)}
ensemble_scheduling {{
{_list("  step", steps)}
}}
"""
    write_bytes_atomic(str(repository / ENSEMBLE / "config.pbtxt"), text.encode())
    model_folder(repository, ENSEMBLE).mkdir(parents=True, exist_ok=True)  # Triton asks for a version


def _parameter(key: str, value: str) -> str:
    return f"{{ key: {json.dumps(key)} value: {{ string_value: {json.dumps(value)} }} }}"


def _step(name: str, part: Part) -> str:
    maps = [f'input_map {{ key: "{given}" value: "{given}" }}' for given in part.inputs]
    maps += [f'output_map {{ key: "{made}" value: "{made}" }}' for made in part.outputs]
    return f'{{ model_name: "{name}" model_version: -1 {" ".join(maps)} }}'


def _tensors(kind: str, part: Part, tensors: Mapping[str, Tensor]) -> str:
    return _list(kind, [_tensor(name, tensor, part.axes[name]) for name, tensor in tensors.items()])


def _tensor(name: str, tensor: Tensor, axes: Mapping[int, str]) -> str:
    sizes = [-1 if axis in axes else size for axis, size in enumerate(tensor.shape)][1:]
    return f"{{ name: {json.dumps(name)} data_type: TYPE_FP32 dims: {sizes} }}"


def _list(kind: str, entries: Sequence[str]) -> str:
    return f"{kind} [\n" + ",\n".join(f"    {entry}" for entry in entries) + "\n  ]"
