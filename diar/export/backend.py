"""ONNX Runtime in place of torch for an encoder's trunk, inside our own pipeline."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
from torch import Tensor

from diar.export.graph.parts import encoder_part
from diar.export.metadata import encoder_metadata
from diar.export.runtime import OnnxNetwork
from diar.export.targets.onnx_file import write_onnx
from diar.models.encoders.wespeaker import SpeakerModel
from diar.models.packing import Packing


class OnnxTrunk:
    """Computes what `diar.models.inference.Trunk` computes in fp32, on the CPU.

    Args:
        model: the encoder, which is exported now.
        threads: of the CPU.

    Raises:
        ExportError: a package is missing, or the encoder cannot be exported.
    """

    def __init__(self, model: SpeakerModel, threads: int) -> None:
        part = encoder_part(model, "trunk")
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "trunk.onnx"
            write_onnx(part, file, encoder_metadata(model))
            self._network = OnnxNetwork(file, threads)
        self._stride = model.encoder.frame_stride

    def __call__(self, fbank: Tensor, packing: Packing | None = None) -> Tensor:
        """(batch, frames, mels) float32 → (batch, channels, T') float32.

        Args:
            fbank: without each chunk's mean.
            packing: where chunks lie in the rows; each is computed by itself, and the gaps are 0. None where
                a row is a chunk.
        """
        if packing is None:
            return self._frames(fbank)
        parts = [self._frames(fbank[p.row : p.row + 1, p.start : p.end]) for p in packing.places]
        length = packing.length // self._stride
        rows = fbank.new_zeros(packing.rows, parts[0].shape[1], length)
        for place, frames in zip(packing.places, parts, strict=True):
            start = packing.scaled(place, length).start
            rows[place.row, :, start : start + frames.shape[2]] = frames[0]
        return rows

    def _frames(self, fbank: Tensor) -> Tensor:
        (frames,) = self._network({"fbank": fbank.numpy()})
        return torch.from_numpy(frames)
