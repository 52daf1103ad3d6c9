"""Another engine in place of torch for an encoder's trunk, inside our own pipeline."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from diar.export.errors import ExportError
from diar.export.graph.parts import encoder_part
from diar.export.metadata import encoder_metadata
from diar.export.providers import Provider
from diar.export.runtime import OnnxNetwork
from diar.export.targets.onnx_file import write_onnx
from diar.export.targets.triton_repository import TRUNK
from diar.export.triton_client import TritonNetwork
from diar.models.encoders.wespeaker import SpeakerModel
from diar.models.packing import Packing


class OtherTrunk:
    """Computes what `diar.models.inference.Trunk` computes in fp32.

    Args:
        frames: (batch, frames, mels) float32 → (batch, channels, T') float32 on the same device.
        stride: frames of the fbank to one of the trunk.
        engine: what computes, in words.
    """

    def __init__(self, frames: Callable[[Tensor], Tensor], stride: int, engine: str) -> None:
        self._frames, self._stride = frames, stride
        self.engine = engine

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


def open_trunk(
    model: SpeakerModel, device: torch.device, *, backend: str, provider: Provider, threads: int
) -> OtherTrunk:
    """Open what computes an encoder's trunk in place of torch.

    Args:
        model: the encoder.
        device: where the networks beside it compute.
        backend: `onnx`: ONNX Runtime, for which the encoder is exported now; or a Triton server's address.
        provider: of ONNX Runtime.
        threads: of the CPU, for ONNX Runtime.

    Raises:
        ExportError: a package or the provider is missing or computes elsewhere than `device`, the encoder
            cannot be exported, or the server does not have it.
    """
    if backend == "onnx":
        _check_place(provider, device)
        return _onnx_trunk(model, provider, threads, device)
    network = TritonNetwork(backend, TRUNK, model.sha256)

    def frames(fbank: Tensor) -> Tensor:
        (found,) = network({"fbank": fbank.cpu().numpy()})
        return torch.from_numpy(found).to(fbank.device)

    return OtherTrunk(frames, model.encoder.frame_stride, f"Triton at {backend}")


def _onnx_trunk(model: SpeakerModel, provider: Provider, threads: int, device: torch.device) -> OtherTrunk:
    part = encoder_part(model, "trunk")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "trunk.onnx"
        write_onnx(part, file, encoder_metadata(model))
        network = OnnxNetwork(file, threads, provider, _gpu(device))
    channels = part.made()["frames"].shape[1]

    def frames(fbank: Tensor) -> Tensor:
        made = fbank.new_empty(len(fbank), channels, model.encoder.num_frames(fbank.shape[1]))
        network.into({"fbank": fbank.contiguous()}, {"frames": made})
        return made

    return OtherTrunk(frames, model.encoder.frame_stride, f"ONNX Runtime, {network.provider}")


def _gpu(device: torch.device) -> int:
    """Return the number of a GPU; `cuda` without one is the current one."""
    if device.type != "cuda":
        return 0
    return torch.cuda.current_device() if device.index is None else device.index


def _check_place(provider: Provider, device: torch.device) -> None:
    if (provider == "cpu") != (device.type == "cpu"):
        raise ExportError(
            f"`provider={provider}` does not fit `device={device.type}`: with `backend=onnx`, give "
            "`provider=cpu` and `device=cpu`, or `provider=cuda` and `device=cuda`"
        )
