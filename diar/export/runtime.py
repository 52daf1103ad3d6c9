"""ONNX Runtime: opening a file, and running it on numpy arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from diar.errors import explain
from diar.export.errors import ExportError
from diar.extras import require

_ONLY_ERRORS = 3  # ONNX Runtime's log level


class OnnxNetwork:
    """A file in ONNX Runtime; several threads may use one.

    Args:
        file: ONNX, or its bytes.
        threads: of the CPU; 0: as many as there are cores.
        providers: execution providers, tried in order.

    Raises:
        ExportError: ONNX Runtime is missing, or cannot read the file.
    """

    def __init__(
        self, file: Path | bytes, threads: int = 1, providers: Sequence[str] = ("CPUExecutionProvider",)
    ) -> None:
        runtime = import_runtime()
        options = runtime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = _ONLY_ERRORS
        given = file if isinstance(file, bytes) else str(file)
        try:
            self._session: Any = runtime.InferenceSession(given, options, list(providers))
        except Exception as error:  # ONNX Runtime has many
            what = "the graph" if isinstance(file, bytes) else file
            raise ExportError(f"{what} cannot be opened by ONNX Runtime: {explain(error)}") from None
        self.metadata: dict[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """Return the outputs for named inputs."""
        outputs: list[np.ndarray] = self._session.run(None, dict(inputs))
        return outputs


def import_runtime() -> Any:
    """Return the package onnxruntime.

    Raises:
        ExportError: it is not installed; the message has the line that installs it.
    """
    return require("onnxruntime", "export", "a network in ONNX", ExportError)
