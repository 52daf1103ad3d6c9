"""ONNX Runtime: opening a file, and running it on arrays, or on tensors where they lie."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from diar.errors import explain
from diar.export.errors import ExportError
from diar.export.providers import Provider, execution_providers
from diar.extras import require

_ONLY_ERRORS = 3  # ONNX Runtime's log level


class OnnxNetwork:
    """A file in ONNX Runtime; several threads may use one.

    Args:
        file: ONNX, or its bytes.
        threads: of the CPU; 0: as many as there are cores.
        provider: what computes.
        gpu: number of the GPU that computes, where one does.

    Attributes:
        metadata: that `write_onnx` put into the file.
        provider: ONNX Runtime's name of what computes.

    Raises:
        ExportError: ONNX Runtime or the provider is missing, or cannot read the file.
    """

    def __init__(
        self, file: Path | bytes, threads: int = 1, provider: Provider = "cpu", gpu: int = 0
    ) -> None:
        runtime = import_runtime()
        wanted = execution_providers(provider, runtime.get_available_providers(), gpu)
        options = runtime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = _ONLY_ERRORS
        given = file if isinstance(file, bytes) else str(file)
        try:
            self._session: Any = runtime.InferenceSession(given, options, wanted)
        except Exception as error:  # ONNX Runtime has many
            what = "the graph" if isinstance(file, bytes) else file
            raise ExportError(f"{what} cannot be opened by ONNX Runtime: {explain(error)}") from None
        self.provider: str = self._session.get_providers()[0]
        if self.provider != wanted[0][0]:  # where its libraries cannot be loaded, it says so in its log only
            raise ExportError(
                f"`provider={provider}`: ONNX Runtime could not start its {wanted[0][0]} and took "
                f"{self.provider}; the libraries of the GPU are missing, or others than it was built for"
            )
        self.metadata: dict[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """Return the outputs for named inputs."""
        outputs: list[np.ndarray] = self._session.run(None, dict(inputs))
        return outputs

    def into(self, inputs: Mapping[str, Tensor], outputs: Mapping[str, Tensor]) -> None:
        """Compute from and into float32 tensors where they lie, on the CPU or the GPU, without a copy.

        Args:
            inputs: by name; contiguous.
            outputs: by name, of the right shapes; contiguous, and overwritten.
        """
        binding = self._session.io_binding()
        for bind, tensors in ((binding.bind_input, inputs), (binding.bind_output, outputs)):
            for name, tensor in tensors.items():
                place = (tensor.device.type, tensor.device.index or 0, np.float32)
                bind(name, *place, list(tensor.shape), tensor.data_ptr())
        for device in {tensor.device for tensor in inputs.values() if tensor.is_cuda}:
            torch.cuda.current_stream(device).synchronize()  # ONNX Runtime has a stream of its own
        self._session.run_with_iobinding(binding)
        binding.synchronize_outputs()


def import_runtime() -> Any:
    """Return the package onnxruntime.

    Raises:
        ExportError: it is not installed; the message has the line that installs it.
    """
    return require("onnxruntime", "export", "a network in ONNX", ExportError)
