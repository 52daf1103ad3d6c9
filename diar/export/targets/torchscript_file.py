"""Writing a part as TorchScript."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch

from diar.export.graph.parts import Part
from diar.storage import write_bytes_atomic


def write_torchscript(part: Part, file: Path, metadata: Mapping[str, str]) -> None:
    """Write a part for libtorch; metadata are its extra files."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of branches on sizes that are the same for all inputs
        traced = torch.jit.trace(part.network, tuple(part.example.values()), check_trace=False)
    stream = io.BytesIO()
    torch.jit.save(traced, stream, _extra_files=dict(metadata))
    write_bytes_atomic(str(file), stream.getvalue())


def open_torchscript(file: Path, part: Part) -> Callable[[Mapping[str, np.ndarray]], list[np.ndarray]]:
    """Open a file that `write_torchscript` wrote; inputs by name → outputs, as `OnnxNetwork` has it."""
    network = torch.jit.load(str(file))

    def run(inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        with torch.inference_mode():
            found = network(*(torch.from_numpy(inputs[name]) for name in part.inputs))
        return [one.numpy() for one in (found if isinstance(found, tuple) else (found,))]

    return run
