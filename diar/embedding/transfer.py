"""Copies between host and device that block neither."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch


def to_device(array: np.ndarray, device: torch.device) -> torch.Tensor:
    """Return the array as a tensor on the device; a GPU copies while it computes."""
    tensor = torch.from_numpy(array)
    if device.type != "cuda":
        return tensor
    return tensor.pin_memory().to(device, non_blocking=True)


def stack_to_device(arrays: Sequence[np.ndarray], device: torch.device) -> torch.Tensor:
    """Return equally long arrays (n,) float32 as (batch, n) on the device, copied once on the host."""
    if device.type != "cuda":
        return torch.from_numpy(np.stack(arrays))
    pinned = torch.empty(len(arrays), len(arrays[0]), pin_memory=True)
    np.stack(arrays, out=pinned.numpy())
    return pinned.to(device, non_blocking=True)


class HostCopy:
    """A tensor on its way to the host."""

    def __init__(self, tensor: torch.Tensor) -> None:
        self._event: torch.cuda.Event | None = None
        if tensor.device.type != "cuda":
            self._host = tensor
            return
        self._host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
        self._host.copy_(tensor, non_blocking=True)
        self._event = torch.cuda.Event()
        self._event.record()

    def numpy(self) -> np.ndarray:
        """Wait for the values and return them."""
        if self._event is not None:
            self._event.synchronize()
        values: np.ndarray = self._host.numpy()
        return values
