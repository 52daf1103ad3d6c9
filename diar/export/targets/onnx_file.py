"""Writing a part as ONNX, with what a consumer must know of it inside."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from diar.export.errors import ExportError
from diar.export.graph.parts import Part
from diar.extras import require
from diar.storage import write_bytes_atomic

OPSETS = (17, 20)  # the exporter's; TensorRT 8.6 and ONNX Runtime 1.13 read 17
DEFAULT_OPSET = 17


def write_onnx(part: Part, file: Path, metadata: Mapping[str, str], opset: int = DEFAULT_OPSET) -> None:
    """Write a part with dynamic batch and length; the file appears complete or not at all.

    The exporter that traces is used: it makes one LSTM node of an LSTM, and lengths that depend on each
    other (samples, frames of masks) need not be proved to it.

    Raises:
        ExportError: the package onnx is missing, or the graph is not valid.
    """
    onnx = import_onnx()
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that another exporter exists, that LSTMs may have a fixed batch
        torch.onnx.export(
            part.network,
            tuple(part.example.values()),
            stream,  # type: ignore[arg-type]  # documented for this exporter
            dynamo=False,
            input_names=part.inputs,
            output_names=part.outputs,
            dynamic_axes={name: dict(axes) for name, axes in part.axes.items()},
            opset_version=opset,
        )
    model = onnx.load_from_string(stream.getvalue())
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        raise ExportError(f"{file}: the exporter made no valid graph: {error}") from error
    onnx.helper.set_model_props(model, {**metadata, "part": part.name, "opset": str(opset)})
    model.producer_name = "diar"
    write_bytes_atomic(str(file), model.SerializeToString())


def read_metadata(file: Path) -> dict[str, str]:
    """Return what `write_onnx` put beside the graph.

    Raises:
        ExportError: the package onnx is missing.
    """
    model = import_onnx().load(str(file), load_external_data=False)
    return {entry.key: entry.value for entry in model.metadata_props}


def import_onnx() -> Any:
    """Return the package onnx.

    Raises:
        ExportError: it is not installed; the message has the line that installs it.
    """
    return require("onnx", "export", "an export", ExportError)
