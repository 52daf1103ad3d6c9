"""Checkpoints: the parameters in a file by name, and strict loading into a network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn

from diar.models.encoders.base import ModelError
from diar.models.weights.inert import CheckpointArchive, TensorView

# Keys on the way to the state dict, as training frameworks save it
_PLACES: tuple[tuple[str, ...], ...] = ((), ("model",), ("state_dict",), ("model", "state_dict"))
_PREFIX = "module."  # of parallel training


def read_state_dict(file: Path) -> dict[str, Tensor]:
    """Return the parameters of a checkpoint by name; nothing in the file is executed.

    Wrappings as {"model": …} or {"state_dict": …} and the prefix "module." are removed.

    Raises:
        ModelError: no readable checkpoint, or something else than names and tensors where these should be.
    """
    return read_described(file)[0]


def read_described(file: Path) -> tuple[dict[str, Tensor], Any]:
    """Return what `read_state_dict` does, and all that the checkpoint describes, objects as inert ones.

    Raises:
        ModelError: as `read_state_dict`.
    """
    try:
        with file.open("rb") as stream:
            archive = CheckpointArchive(stream)
            content = archive.description()
            views = _unwrapped(content)
            found = {name.removeprefix(_PREFIX): archive.tensor(view) for name, view in views.items()}
            return found, content
    except Exception as error:  # the unpickler answers damaged files with whatever it stumbles over
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ModelError(
            f"{file} cannot be read as a PyTorch checkpoint: {reason}. If you trust its source, open it with "
            "the program that wrote it and save the state dict alone: torch.save(model.state_dict(), file)"
        ) from error


def _unwrapped(content: Any) -> dict[str, TensorView]:
    """Return the state dict in what a checkpoint describes.

    Raises:
        ValueError: there is none.
    """
    for path in _PLACES:
        found = content
        for key in path:
            found = found.get(key) if isinstance(found, dict) else None
        if _is_state_dict(found):
            return found
    raise ValueError("it holds no state dict (names and tensors), or more than tensors in it")


def _is_state_dict(content: Any) -> TypeGuard[dict[str, TensorView]]:
    if not isinstance(content, dict) or not content:
        return False
    return all(isinstance(name, str) and isinstance(view, TensorView) for name, view in content.items())


def load_strictly(network: nn.Module, given: Mapping[str, Tensor], file: Path, remedy: str) -> None:
    """Load parameters that fit the network's exactly, in names, shapes, and being finite.

    Raises:
        ModelError: they do not; names the file, the first few parameters, and `remedy`.
    """
    expected = network.state_dict()
    shapes = [
        f"{name} {tuple(given[name].shape)} instead of {tuple(tensor.shape)}"
        for name, tensor in expected.items()
        if name in given and given[name].shape != tensor.shape
    ]
    problems = {
        "missing": [name for name in expected if name not in given],
        "unknown": [name for name in given if name not in expected],
        "of another shape": shapes,
        "not finite": [name for name, tensor in given.items() if not _is_finite(tensor)],
    }
    found = [f"{len(names)} {kind} ({_first_few(names)})" for kind, names in problems.items() if names]
    if found:
        raise ModelError(
            f"{file} does not fit the architecture in config.yaml: parameters {'; '.join(found)}. {remedy}"
        )
    network.load_state_dict(dict(given))


def _is_finite(tensor: Tensor) -> bool:
    # A sum shows nearly always that all are finite, and is one pass; it can also overflow
    return bool(torch.isfinite(tensor.sum()) or torch.isfinite(tensor).all())


def _first_few(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
