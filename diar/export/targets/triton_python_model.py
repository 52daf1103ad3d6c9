"""A model of Triton's Python backend that runs model.onnx by onnxruntime; needs nothing of diar.

Requests that Triton hands over together have inputs of the same shapes and become one forward pass. Tensors
change hands by DLPack: backends that were built before NumPy 2 misread its arrays, and hand over empty ones.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np


class TritonPythonModel:
    """One instance of the network."""

    def initialize(self, args: dict[str, str]) -> None:
        """Open the network; `args` are Triton's."""
        import onnxruntime

        config = json.loads(args["model_config"])
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(config["parameters"]["threads"]["string_value"])
        folder = Path(args["model_repository"]) / args["model_version"]
        self.inputs = [given["name"] for given in config["input"]]
        self.outputs = [made["name"] for made in config["output"]]
        self.session: Any = onnxruntime.InferenceSession(str(folder / "model.onnx"), options)

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer requests, each (batch, …), by one forward pass for each set of shapes."""
        import triton_python_backend_utils as triton  # exists inside Triton only

        given = [self._arrays(triton, request) for request in requests]
        groups: dict[tuple[tuple[int, ...], ...], list[int]] = {}
        for number, arrays in enumerate(given):
            groups.setdefault(tuple(array.shape[1:] for array in arrays), []).append(number)
        answers: list[Any] = [None] * len(requests)
        for numbers in groups.values():
            for number, made in zip(numbers, self._together([given[n] for n in numbers]), strict=True):
                tensors = [
                    triton.Tensor.from_dlpack(name, array)
                    for name, array in zip(self.outputs, made, strict=True)
                ]
                answers[number] = triton.InferenceResponse(output_tensors=tensors)
        return answers

    def _arrays(self, triton: Any, request: Any) -> list[np.ndarray]:
        given = (triton.get_input_tensor_by_name(request, name) for name in self.inputs)
        return [np.from_dlpack(tensor) for tensor in given]

    def _together(self, given: list[list[np.ndarray]]) -> list[list[np.ndarray]]:
        """Return the outputs of each request."""
        joined = {
            name: np.concatenate(arrays)
            for name, arrays in zip(self.inputs, zip(*given, strict=True), strict=True)
        }
        made = self.session.run(self.outputs, joined)
        ends = np.cumsum([len(arrays[0]) for arrays in given])[:-1]
        parts = zip(*(np.split(array, ends) for array in made), strict=True)
        return [[part.copy() for part in own] for own in parts]  # Triton reads them after this returns
