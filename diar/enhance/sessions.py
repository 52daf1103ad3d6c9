"""Opening a denoiser's network by ONNX Runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from diar.enhance.errors import EnhancementError
from diar.errors import explain
from diar.extras import require


def open_session(network: Path | bytes, name: str, threads: int) -> Any:
    """Return a session on the CPU.

    Args:
        network: its file, or the file's content.
        name: what errors call it.
        threads: in a frame.

    Raises:
        EnhancementError: ONNX Runtime is missing, or it is no network.
    """
    runtime = require("onnxruntime", "enhance", "`enhance`", EnhancementError)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = threads
    options.log_severity_level = 3
    given = network if isinstance(network, bytes) else str(network)
    try:
        return runtime.InferenceSession(given, options, ["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime has many
        raise EnhancementError(f"{name} cannot be opened: {explain(error)}") from None
