"""Writing a part as TorchScript."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from pathlib import Path

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
