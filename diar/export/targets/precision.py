"""Half precision and eight bits for an exported file; what must stay exact stays in fp32.

The front end, the pooling and SincNet stay: energies exceed what fp16 holds, sums over thousands of frames
what eight bits resolve, and SincNet normalises the waveform itself.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from diar.export.errors import ExportError
from diar.export.runtime import import_runtime
from diar.export.targets.onnx_file import import_onnx
from diar.storage import write_bytes_atomic

ExportPrecision = Literal["fp32", "fp16", "int8", "int8-static"]
_STAYS = ("/front_end/", "/pooled/", "/pooling/", "/network/sincnet/")  # begin names of nodes
_DYNAMIC = ["MatMul", "Gemm", "LSTM"]  # convolutions with dynamic ranges are slower than in fp32
_STATIC = ["MatMul", "Gemm", "Conv"]


def convert(
    file: Path,
    precision: ExportPrecision,
    calibration: Sequence[dict[str, np.ndarray]] = (),
    more: Mapping[str, str] | None = None,
) -> None:
    """Replace an fp32 file by the same network in another precision; inputs and outputs stay fp32.

    Args:
        file: written by `write_onnx`.
        precision: `int8` measures the range of activations in each call, `int8-static` once, on
            `calibration`.
        calibration: inputs of the network, by name.
        more: of its metadata, besides the precision.

    Raises:
        ExportError: a package is missing, or static ranges are asked for without inputs.
    """
    if precision == "fp32":
        return
    import_runtime()
    model = import_onnx().load(str(file))
    kept = [node.name for node in model.graph.node if node.name.startswith(_STAYS)]
    if precision == "fp16":
        converted = _half(model, kept)
    elif precision == "int8":
        converted = _dynamic(model, kept)
    else:
        converted = _static(model, kept, calibration)
    del converted.metadata_props[:]
    converted.metadata_props.extend(model.metadata_props)
    for key, value in {"precision": precision, **(more or {})}.items():
        converted.metadata_props.add(key=key, value=value)
    write_bytes_atomic(str(file), converted.SerializeToString())


def _half(model: Any, kept: list[str]) -> Any:
    from onnxruntime.transformers.float16 import convert_float_to_float16

    converted = convert_float_to_float16(model, keep_io_types=True, node_block_list=kept)
    _keep_whole(converted.graph)
    return converted


def _keep_whole(graph: Any) -> None:
    """Hand what one node in fp32 makes to the next one as it is.

    The conversion sends it through fp16 on the way, where a power of speech in 16-bit scale is infinite.
    """
    half, single = (import_onnx().TensorProto.DataType.Value(name) for name in ("FLOAT16", "FLOAT"))
    casts = {node.output[0]: node for node in graph.node if node.op_type == "Cast"}
    before = {}  # what is in fp32 again → what it was made of
    for name, cast in casts.items():
        there = casts.get(cast.input[0])
        if cast.attribute[0].i == single and there is not None and there.attribute[0].i == half:
            before[name] = there.input[0]
    for node in graph.node:
        node.input[:] = [before.get(name, name) for name in node.input]
    used = {name for node in graph.node for name in node.input} | {output.name for output in graph.output}
    for node in [casts[name] for name in before if name not in used]:
        graph.node.remove(node)


def _dynamic(model: Any, kept: list[str]) -> Any:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory() as folder, _quiet():
        made = Path(folder) / "made.onnx"
        quantize_dynamic(
            model,
            made,
            op_types_to_quantize=_DYNAMIC,
            per_channel=True,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=kept,
            extra_options={"MatMulConstBOnly": True},
        )
        return import_onnx().load(str(made))


def _static(model: Any, kept: list[str], calibration: Sequence[dict[str, np.ndarray]]) -> Any:
    if not calibration:
        raise ExportError("`precision=int8-static` needs audio to measure ranges on: give `calibration_dir`")
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    with tempfile.TemporaryDirectory() as folder, _quiet():
        made = Path(folder) / "made.onnx"
        quantize_static(
            model,
            made,
            _Inputs(calibration),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=_STATIC,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=kept,
            extra_options={"MatMulConstBOnly": True},
        )
        return import_onnx().load(str(made))


class _Inputs:
    """What ONNX Runtime's calibration asks for, one input after the other."""

    def __init__(self, inputs: Sequence[dict[str, np.ndarray]]) -> None:
        self._left: Iterator[dict[str, np.ndarray]] = iter(inputs)

    def get_next(self) -> dict[str, np.ndarray] | None:
        """Return the next input, None after the last."""
        return next(self._left, None)


class _quiet:
    """Keep ONNX Runtime's advice about preparing models off the log."""

    def __enter__(self) -> None:
        self._before = logging.root.manager.disable
        logging.disable(logging.WARNING)

    def __exit__(self, *_: object) -> None:
        logging.disable(self._before)
