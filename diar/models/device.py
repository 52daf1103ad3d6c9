"""The device that a rank computes on, and a check that its modules really are there (DESIGN §4.8)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar

import torch

from diar.errors import DiarError
from diar.spawning import usable_cores
from diar.wording import counted

ModuleT = TypeVar("ModuleT", bound=torch.nn.Module)
_WORKER_BYTES = 2**31  # of memory for each worker: it takes about 1 GB, and files are cached
_USUAL_WEIGHTS = 2**29  # bytes of weights that are in that; of more, a worker may hold two copies
# Making rows keeps a worker from feeding a fast GPU, so several share it (decision 067)
_MOST_ON_A_GPU = 6
_CORES_A_WORKER = 2  # beside a GPU: one makes rows, others decode
_GPU_WORKER_BYTES = 6e9  # of a GPU: a pass, and what CUDA itself takes


class DeviceError(DiarError):
    """The device that was asked for is not there, or a module did not get onto it."""


def device_kind(requested: str, gpus: Sequence[int] | None) -> str:
    """Return `cuda` or `cpu`; what was asked for never silently becomes the other.

    Args:
        requested: `auto`, `cuda` or `cpu`.
        gpus: numbers of GPUs; None = all.

    Raises:
        DeviceError: a GPU was asked for and there is none, or a number that does not exist.
    """
    if requested == "auto" and gpus is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    if requested == "cpu":
        return "cpu"
    count = torch.cuda.device_count()
    if not torch.cuda.is_available() or not count:
        build = (
            "this PyTorch is a CPU build" if torch.version.cuda is None else "no usable NVIDIA GPU or driver"
        )
        raise DeviceError(f"a GPU was asked for, but {build}; use `device=cpu`, or check nvidia-smi")
    missing = [gpu for gpu in gpus or () if gpu >= count or gpu < 0]
    if missing:
        raise DeviceError(f"`gpus` names GPU {missing[0]}, but this machine has {count}: 0 to {count - 1}")
    return "cuda"


def count_workers(kind: str, gpus: Sequence[int] | None, workers: int | None, weights_bytes: int = 0) -> int:
    """Return how many processes to start here: `workers`, or as many as are worth it.

    On the CPU that is one a core that has memory; on each GPU up to six, where there are cores and memory.

    Args:
        kind: `cuda` or `cpu`.
        gpus: numbers of GPUs; None = all.
        workers: how many were asked for.
        weights_bytes: of the file of the encoder's weights, 0 where it is not known.
    """
    if workers is not None:
        return workers
    large = 2 * max(0, weights_bytes - _USUAL_WEIGHTS)
    with_memory = physical_memory() // (_WORKER_BYTES + large)
    if kind == "cpu":
        return max(1, min(cpu_cores(), with_memory))
    used = list(gpus) if gpus is not None else list(range(count_gpus(gpus)))
    room = int(min(gpu_memory(gpu) for gpu in used) // (_GPU_WORKER_BYTES + large))
    for_each = min(
        _MOST_ON_A_GPU, cpu_cores() // _CORES_A_WORKER // len(used), with_memory // len(used), room
    )
    return max(1, for_each) * len(used)


def count_gpus(gpus: Sequence[int] | None) -> int:
    """Count the GPUs that are used; None = all."""
    return len(gpus) if gpus is not None else torch.cuda.device_count()


def gpu_memory(gpu: int) -> int:
    """Return the memory of a GPU in bytes."""
    return int(torch.cuda.get_device_properties(gpu).total_memory)


def cpu_cores() -> int:
    """Count the cores that this process may use."""
    return len(usable_cores()) or os.cpu_count() or 1


def physical_memory() -> int:
    """Return this machine's memory in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def rank_device(kind: str, gpus: Sequence[int] | None, local_rank: int) -> torch.device:
    """Return the device of one rank of this machine; more ranks than GPUs share them in turn."""
    if kind == "cpu":
        return torch.device("cpu")
    available = list(gpus) if gpus is not None else list(range(torch.cuda.device_count()))
    return torch.device("cuda", available[local_rank % len(available)])


def ranks_on_device(
    device: torch.device, gpus: Sequence[int] | None, local_rank: int, local_world_size: int
) -> int:
    """Count the ranks of a machine that share the device of `local_rank`; on the CPU each counts alone."""
    if device.type == "cpu":
        return 1
    available = len(gpus) if gpus is not None else torch.cuda.device_count()
    return len(range(local_rank % available, local_world_size, available))


def place(module: ModuleT, device: torch.device) -> ModuleT:
    """Move a module and check that every parameter and buffer really is where it should be.

    `cuda` without a number is the current GPU.

    Raises:
        DeviceError: one is not.
    """
    if device.type == "cuda" and device.index is None:
        device = torch.device("cuda", torch.cuda.current_device())
    module = module.to(device).eval()
    tensors = [*module.named_parameters(), *module.named_buffers()]
    for name, tensor in tensors:
        if tensor.device != device:
            raise DeviceError(f"{type(module).__name__}.{name} is on {tensor.device}, not on {device}")
    return module


def describe(device: torch.device) -> str:
    """Return a device in words, such as `cuda:0 NVIDIA H200` or `cpu x86_64 (2 threads)`."""
    if device.type == "cuda":
        return f"{device} {torch.cuda.get_device_name(device)}"
    return f"cpu {os.uname().machine} ({counted(torch.get_num_threads(), 'thread')})"


def gpu_use() -> list[tuple[str, float, int]]:
    """Return number, share of the last second that it worked, and peak of allocated bytes of each GPU.

    The share is NaN where nvidia-ml-py, which knows it, is not installed.
    """
    if not torch.cuda.is_available():
        return []
    return [
        (str(number), _share(number), torch.cuda.max_memory_allocated(number))
        for number in range(torch.cuda.device_count())
    ]


def _share(number: int) -> float:
    try:
        return torch.cuda.utilization(number) / 100
    except (ImportError, RuntimeError):
        return float("nan")
