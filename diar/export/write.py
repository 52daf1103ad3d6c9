"""Exports of networks into a folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from diar.export.comparison import Agreement
from diar.export.config import ExportConfig
from diar.export.errors import ExportError
from diar.export.graph.parts import Part
from diar.export.measured import MOST_POINTS, der_move, is_small, told
from diar.export.networks import Exported, open_network
from diar.export.runtime import OnnxNetwork
from diar.export.targets import triton_repository as triton
from diar.export.targets.calibration import calibration_inputs
from diar.export.targets.onnx_file import write_onnx
from diar.export.targets.precision import convert
from diar.export.targets.tensorrt_files import Shapes, write_tensorrt_files
from diar.export.targets.torchscript_file import open_torchscript, write_torchscript


@dataclass(frozen=True)
class Written:
    """A network's file, and how near it is to torch; None where that is not compared."""

    file: Path
    agreement: Agreement | None
    move: str = "0"  # of the DER, as `measured.der_move` has it


def export_all(config: ExportConfig) -> Iterator[Written]:
    """Write what the options ask for, network by network.

    Raises:
        DiarError: a network cannot be exported, a file is in the way, or an fp32 file differs from torch.
    """
    parts: dict[str, Part] = {}
    networks = [open_network(name, config.part) for name in config.models]
    _check_together(networks, config)
    for network in networks:
        if config.format == "torchscript":
            yield _torchscript(network, config)
            continue
        file, served_as = _place(network, config)
        yield _onnx(network, file, config)
        if config.format == "tensorrt":
            largest = Shapes(config.max_batch, config.max_seconds)
            write_tensorrt_files(network.part, file, largest, network.sample_rate)
        if config.format == "triton":
            triton.write_model(
                config.output_dir, served_as, network.part, _serving(config), _parameters(network, config)
            )
            parts[served_as] = network.part
    if len(parts) > 1:
        triton.write_ensemble(config.output_dir, parts, config.max_batch)


def _check_together(networks: list[Exported], config: ExportConfig) -> None:
    """Refuse networks that would be one file or are there, or cannot have the precision."""
    places = [_place(network, config)[0] for network in networks]
    if len(set(places)) < len(places):
        raise ExportError(f"`model={config.model}` has two networks that would be the same file; export one")
    for place in places:
        _check_free(place, config)
    if config.precision == "fp16" and not all(network.is_encoder for network in networks):
        raise ExportError(
            "`precision=fp16` is for encoders: ONNX Runtime dies of a segmentation network in fp16; "
            "give `model` without it"
        )
    for network in networks if config.format == "triton" and not config.accept_loss else ():
        move = der_move(network.model.sha256, config.precision)
        if not is_small(move):
            raise ExportError(
                f"`precision={config.precision}` of {network.model.name}: {told(move)}; a server may move "
                f"it by {MOST_POINTS}: give `precision=fp32`, or `accept_loss`"
            )


def _place(network: Exported, config: ExportConfig) -> tuple[Path, str]:
    """Return the file of a network, and its name in Triton."""
    if config.format == "triton":
        name = triton.EMBEDDING if network.is_encoder else triton.SEGMENTATION
        name = triton.TRUNK if network.part.name == "trunk" else name
        return triton.model_folder(config.output_dir, name) / triton.MODEL_FILE, name
    if config.format == "torchscript":
        return config.output_dir / f"{network.file_stem}.pt", network.file_stem
    precision = "" if config.precision == "fp32" else f".{config.precision}"
    return config.output_dir / f"{network.file_stem}{precision}.onnx", network.file_stem


def _onnx(network: Exported, file: Path, config: ExportConfig) -> Written:
    inputs = []
    if config.calibration_dir is not None:
        inputs = calibration_inputs(network.part, config.calibration_dir, network.sample_rate)
    unfinished = file.with_name(f".unfinished-{file.name}")
    try:
        write_onnx(network.part, unfinished, network.metadata(), config.opset)
        move = der_move(network.model.sha256, config.precision)
        convert(unfinished, config.precision, inputs, {"der_moved_points": move})
        agreement = network.compare(partial(OnnxNetwork, unfinished))
        if agreement is not None:
            agreement.check(config.precision)
        unfinished.replace(file)
    finally:
        unfinished.unlink(missing_ok=True)
    return Written(file, agreement, move)


def _torchscript(network: Exported, config: ExportConfig) -> Written:
    file, _ = _place(network, config)
    unfinished = file.with_name(f".unfinished-{file.name}")
    try:
        write_torchscript(network.part, unfinished, network.metadata())
        agreement = network.compare(partial(open_torchscript, unfinished, network.part))
        if agreement is not None:
            agreement.check("fp32")
        unfinished.replace(file)
    finally:
        unfinished.unlink(missing_ok=True)
    return Written(file, agreement)


def _parameters(network: Exported, config: ExportConfig) -> dict[str, str]:
    """Return what a server's configuration says of the weights."""
    move = der_move(network.model.sha256, config.precision)
    return {"sha256": network.model.sha256, "precision": config.precision, "der_moved_points": move}


def _serving(config: ExportConfig) -> triton.Serving:
    return triton.Serving(config.triton_backend, config.max_batch, config.queue_delay_ms, config.instances)


def _check_free(file: Path, config: ExportConfig) -> None:
    if file.exists() and not config.overwrite:
        raise ExportError(f"{file} is there already: use `overwrite`, or give another `output_dir`")
