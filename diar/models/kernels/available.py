"""Where the kernels run."""

from __future__ import annotations

import os
import subprocess
import warnings
from functools import cache
from importlib.util import find_spec

import torch
from torch import Tensor

HALF = (torch.float16, torch.bfloat16)
_LEAST_CAPABILITY = (8, 0)  # of the GPUs that they were written for: Ampere and later
_OFF = "DIAR_NO_KERNELS"  # environment variable: compute with torch alone


def usable(x: Tensor) -> bool:
    """Tell whether these kernels can compute with `x`, in half precision."""
    return x.dtype in HALF and run_on(x.device)


def run_on(device: torch.device) -> bool:
    """Tell whether these kernels run on `device`.

    Triton's interpreter (TRITON_INTERPRET=1, for tests) computes on the CPU.
    """
    if os.environ.get("TRITON_INTERPRET") == "1":
        return True
    return device.type == "cuda" and _compiles(device)


@cache
def _compiles(device: torch.device) -> bool:
    """Tell whether Triton can compile for a GPU: it needs a C compiler and a folder to write to."""
    if os.environ.get(_OFF) or find_spec("triton") is None:
        return False
    if torch.cuda.get_device_capability(device) < _LEAST_CAPABILITY:
        return False
    from diar.models.kernels.dense import normalised_product

    ones = torch.ones(1, 16, 64, dtype=torch.float16, device=device)
    try:
        normalised_product(ones, ones[0, 0], ones[0, 0], ones[0].repeat(4, 1), None, relu=False)
    except (RuntimeError, OSError, subprocess.CalledProcessError) as error:
        warnings.warn(
            f"Triton cannot compile kernels here, so some layers take several times as long: {error}",
            stacklevel=2,
        )
        return False
    return True
