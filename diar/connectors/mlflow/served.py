"""A registered model as `mlflow models serve` serves it: audio in, turns out.

The server runs where diar is installed (`--env-manager local`). A request has a row a recording: `audio`, the
bytes of an audio file in base64, and optionally `num_speakers`. Paths and addresses are not read: whoever may
ask the server for turns need not be allowed to read its disk.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import diar

_ENCODER = "avg_model.pt"


class ServedModel:
    """Diarizes with one registered network; the other one is the default.

    Args:
        folder: model directory of an encoder or of a segmentation network.
    """

    def __init__(self, folder: str) -> None:
        registered = {"encoder" if (Path(folder) / _ENCODER).is_file() else "segmentation": folder}
        self._encoder = diar.open_encoder(*_named(registered, "encoder"))
        self._segmentation = diar.open_segmentation(*_named(registered, "segmentation"))

    def predict(self, model_input: Any, params: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Return the turns of each recording; of one that cannot be diarized, why.

        Args:
            model_input: a table of pandas, or a mapping or records, with the columns `audio`, `num_speakers`.
            params: none are known.
        """
        return [self._answer(row) for row in _rows(model_input)]

    def _answer(self, row: Mapping[str, Any]) -> dict[str, Any]:
        try:
            audio = io.BytesIO(base64.b64decode(str(row["audio"]), validate=True))
            count = _count(row.get("num_speakers"))
            found = diar.diarize(
                audio, num_speakers=count, encoder=self._encoder, segmentation=self._segmentation
            )
        except (KeyError, binascii.Error):
            return {"error": "audio: the bytes of an audio file in base64 are needed"}
        except diar.DiarError as error:
            return {"error": str(error)}
        document: dict[str, Any] = json.loads(found.to_json())
        return {name: document[name] for name in ("duration", "turns", "speakers")}


def _load_pyfunc(path: str) -> ServedModel:
    """Open the model directory of a registered model; MLflow calls it by this name."""
    return ServedModel(path)


def _named(registered: Mapping[str, str], network: str) -> Iterator[str]:
    if network in registered:
        yield registered[network]


def _rows(model_input: Any) -> list[dict[str, Any]]:
    if hasattr(model_input, "to_dict"):
        return list(model_input.to_dict(orient="records"))
    if isinstance(model_input, Mapping):
        names = list(model_input)
        return [dict(zip(names, values, strict=True)) for values in zip(*model_input.values(), strict=True)]
    return list(model_input)


def _count(value: Any) -> int | None:
    missing = value is None or (isinstance(value, float) and math.isnan(value))
    return None if missing else int(value)
