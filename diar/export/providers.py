"""Execution providers of ONNX Runtime: what computes a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from diar.export.errors import ExportError
from diar.extras import pip_install
from diar.models.weights.hub import cache_dir

Provider = Literal["cpu", "cuda", "tensorrt"]
# ONNX Runtime's names, each with those that take what it cannot compute
_NAMES: Mapping[Provider, tuple[str, ...]] = {
    "cpu": ("CPUExecutionProvider",),
    "cuda": ("CUDAExecutionProvider", "CPUExecutionProvider"),
    "tensorrt": ("TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"),
}
_PACKAGES: Mapping[Provider, tuple[str, ...]] = {
    "cpu": ("onnxruntime",),
    "cuda": ("onnxruntime-gpu",),
    "tensorrt": ("onnxruntime-gpu", "tensorrt"),
}


def execution_providers(
    provider: Provider, available: Sequence[str], gpu: int = 0
) -> list[tuple[str, dict[str, Any]]]:
    """Return names and options as ONNX Runtime takes them, in order.

    Args:
        provider: what is to compute.
        available: names of the providers that the installed package was built with.
        gpu: number of the GPU that computes.

    Raises:
        ExportError: it was built without that provider; the message names the package that has it.
    """
    names = _NAMES[provider]
    if names[0] not in available:
        raise ExportError(
            f"`provider={provider}`: the installed ONNX Runtime has no {names[0]}, but "
            f"{', '.join(available)}; in place of it install: {pip_install(*_PACKAGES[provider])}"
        )
    return [(name, _options(name, gpu)) for name in names]


def _options(name: str, gpu: int) -> dict[str, Any]:
    """Engines of TensorRT take minutes to build; they are kept in the cache."""
    if name == "CPUExecutionProvider":
        return {}
    if name != "TensorrtExecutionProvider":
        return {"device_id": gpu}
    folder = cache_dir() / "tensorrt"
    folder.mkdir(parents=True, exist_ok=True)
    return {
        "device_id": gpu,
        "trt_engine_cache_enable": True,
        "trt_engine_cache_path": str(folder),
        "trt_timing_cache_enable": True,
        "trt_timing_cache_path": str(folder),
    }
