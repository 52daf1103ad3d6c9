"""A network that a Triton Inference Server computes, asked by the binary form of its HTTP protocol.

Protocol: KServe's "Open Inference Protocol" v2, with Triton's extension for binary tensors.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from diar.export.errors import ExportError
from diar.export.measured import MOST_POINTS, is_small
from diar.export.measured import told as in_words
from diar.extras import require

_CONNECT, _READ = 5.0, 60.0  # seconds
_TRIES = {"total": 4, "read": 2, "backoff_factor": 0.2, "status_forcelist": (502, 503, 504)}
_LENGTH = "Inference-Header-Content-Length"
_TOLD = 300  # characters of an answer that a message repeats


class TritonNetwork:
    """A model of a server; several threads may ask. A network has no state, so requests are repeated.

    Args:
        address: of the server, such as http://127.0.0.1:8000.
        model: its name there.
        sha256: of the weights that it must have been made of; the server's configuration tells.

    Raises:
        ExportError: the server cannot be reached, is no Triton server, has no such model, or one of other
            weights, or in a precision that moves the DER too far.
    """

    def __init__(self, address: str, model: str, sha256: str) -> None:
        urllib3 = require("urllib3", "endpoint", "a Triton server", ExportError)
        self._errors = urllib3.exceptions.HTTPError
        self._pool: Any = urllib3.PoolManager(
            maxsize=16,
            timeout=urllib3.Timeout(connect=_CONNECT, read=_READ),
            retries=urllib3.Retry(allowed_methods=None, raise_on_status=False, **_TRIES),
        )
        self.address = address.rstrip("/")
        self._model = f"{self.address}/v2/models/{model}"
        answer = self._ask("GET", f"{self._model}/config")
        try:
            config = json.loads(answer.data)
            told = {key: value["string_value"] for key, value in config.get("parameters", {}).items()}
            self._most = int(config["max_batch_size"])
            self._outputs = [one["name"] for one in config["output"]]
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ExportError(
                f"`backend={self.address}`: what answers there is no Triton server; its answer to "
                f"{self._model}/config describes no model: {_shown(answer.data)}"
            ) from None
        self._check(told, model, sha256)

    def _check(self, told: Mapping[str, str], model: str, sha256: str) -> None:
        found, move = told.get("sha256", "unknown"), told.get("der_moved_points", "not measured")
        if found != sha256:
            raise ExportError(
                f"`backend={self.address}`: its {model} is of the weights {found[:12]}, not {sha256[:12]}; "
                "give it a new repository, of `format=triton` and `part=trunk`"
            )
        if not is_small(move):
            raise ExportError(
                f"`backend={self.address}`: its {model} is in {told.get('precision')}: {in_words(move)}, and "
                f"{MOST_POINTS} are allowed; give it a repository in fp32"
            )

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """Return the outputs (batch, …) for named inputs (batch, …) float32, as many at once as it takes."""
        batch = len(next(iter(inputs.values())))
        parts = [
            self._infer({name: array[start : start + self._most] for name, array in inputs.items()})
            for start in range(0, batch, self._most)
        ]
        return [np.concatenate(own) for own in zip(*parts, strict=True)]

    def _infer(self, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        given = [np.ascontiguousarray(array, "<f4").tobytes() for array in inputs.values()]
        told = [
            {
                "name": name,
                "shape": list(array.shape),
                "datatype": "FP32",
                "parameters": {"binary_data_size": len(content)},
            }
            for (name, array), content in zip(inputs.items(), given, strict=True)
        ]
        wanted = [{"name": name, "parameters": {"binary_data": True}} for name in self._outputs]
        header = json.dumps({"inputs": told, "outputs": wanted}).encode()
        answer = self._ask("POST", f"{self._model}/infer", b"".join([header, *given]), len(header))
        return _arrays(answer.data, int(answer.headers[_LENGTH]))

    def _ask(self, method: str, url: str, body: bytes | None = None, header: int = 0) -> Any:
        headers = {} if body is None else {_LENGTH: str(header), "Content-Type": "application/octet-stream"}
        try:
            answer = self._pool.request(method, url, body=body, headers=headers)
        except self._errors as error:
            raise ExportError(f"`backend={self.address}`: Triton cannot be reached: {error}") from None
        if answer.status != 200:
            raise ExportError(
                f"`backend={self.address}`: Triton answers {answer.status} to {url}: {_shown(answer.data)}"
            )
        return answer


def _shown(answer: bytes) -> str:
    """Return the beginning of an answer as one line."""
    return " ".join(answer[:_TOLD].decode("utf-8", "replace").split())


def _arrays(body: bytes, header: int) -> list[np.ndarray]:
    """Return the outputs of an answer: JSON of `header` bytes, then the tensors."""
    made, at = [], header
    for one in json.loads(body[:header])["outputs"]:
        size = one["parameters"]["binary_data_size"]
        made.append(np.frombuffer(body, "<f4", size // 4, at).reshape(one["shape"]).copy())
        at += size
    return made
