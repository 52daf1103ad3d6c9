"""Options of `diar export`."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import model_validator

from diar.models.defaults import DEFAULT_ENCODER, DEFAULT_SEGMENTATION
from diar.options.base import CommandConfig, option, refuse_void


class ExportConfig(CommandConfig):
    """Networks as files for other runtimes."""

    environment_prefix: ClassVar[str] = "DIAR_EXPORT_"

    output_dir: Path = option(..., "export", "folder to write to")
    model: str = option(
        f"{DEFAULT_ENCODER},{DEFAULT_SEGMENTATION}",
        "export",
        "encoder or segmentation network: named weights (`diar models list`), directory or Hugging Face id; "
        "or several with commas between them",
    )
    format: Literal["onnx", "torchscript", "tensorrt", "triton"] = option(
        "onnx",
        "export",
        "tensorrt: ONNX with shapes, command line and script that build an engine on a machine with a GPU; "
        "triton: a model repository",
    )
    part: Literal["waveform", "fbank", "trunk", "pooling", "features"] = option(
        "waveform",
        "export",
        "waveform: from samples to embeddings, or to who speaks; fbank: from features to embeddings; trunk, "
        "pooling: the halves of an encoder; features: a segmentation network from SincNet's features",
    )
    precision: Literal["fp32", "fp16", "int8", "int8-static"] = option(
        "fp32",
        "export",
        "of matrix products; int8: ranges of each call; int8-static: ranges measured on --calibration_dir",
    )
    calibration_dir: Path | None = option(
        None, "export", "folder of WAV or FLAC files like those to be heard, at the network's sample rate"
    )
    opset: int = option(17, "export", "of ONNX", ge=17, le=20)
    overwrite: bool = option(False, "export", "replace files that are there")
    accept_loss: bool = option(
        False,
        "export",
        "write a Triton repository in a precision that moves the DER by more than 0.2 points, or was not "
        "measured",
    )

    max_batch: int = option(16, "serving", "most requests in a forward pass", ge=1, le=1024)
    max_seconds: float = option(32.0, "serving", "longest audio that a TensorRT engine takes", ge=2, le=600)
    queue_delay_ms: float = option(
        5.0, "serving", "how long Triton lets a request wait for others", ge=0, le=1000
    )
    triton_backend: Literal["onnxruntime", "python"] = option(
        "onnxruntime", "serving", "what runs the networks in Triton; python: onnxruntime by a script"
    )
    instances: int = option(1, "serving", "of each network in Triton, a GPU or on the CPU", ge=1, le=64)

    @property
    def models(self) -> list[str]:
        """Return the networks to export."""
        return [name.strip() for name in self.model.split(",") if name.strip()]

    @model_validator(mode="after")
    def _check_together(self) -> ExportConfig:
        if not self.models:
            raise ValueError("--model names no network")
        if self.precision == "int8-static" and self.calibration_dir is None:
            raise ValueError("--precision int8-static needs --calibration_dir: audio to measure ranges on")
        if self.precision != "int8-static" and self.calibration_dir is not None:
            raise ValueError("--calibration_dir is for --precision int8-static")
        if self.format == "torchscript" and self.precision != "fp32":
            raise ValueError("--format torchscript is written with --precision fp32 only")
        if self.format == "tensorrt" and self.precision == "int8":
            raise ValueError("TensorRT takes no ranges of each call: give --precision int8-static or fp16")
        if self.accept_loss and self.format != "triton":
            raise ValueError("--accept_loss is for --format triton")
        if self.format == "triton" and self.part not in ("waveform", "trunk"):
            raise ValueError("--format triton is made of --part waveform, or of --part trunk for diar itself")
        refuse_void(self, self._void())
        return self

    def _void(self) -> dict[str, str]:
        """Return the options that do nothing, each with the reason."""
        reason = f"with --format {self.format}"
        used_by = {
            "opset": ("onnx", "tensorrt", "triton"),
            "max_batch": ("tensorrt", "triton"),
            "max_seconds": ("tensorrt",),
            **dict.fromkeys(("queue_delay_ms", "triton_backend", "instances"), ("triton",)),
        }
        return {name: reason for name, formats in used_by.items() if self.format not in formats}


def check_backend(backend: str) -> None:
    """Raise ValueError for what is neither a backend's name nor an address."""
    if backend not in ("torch", "onnx") and not backend.startswith(("http://", "https://")):
        raise ValueError("is torch, onnx, or the address of a Triton server, such as http://127.0.0.1:8000")
