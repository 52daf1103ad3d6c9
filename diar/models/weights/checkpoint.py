"""Checkpoints: the parameters in a file by name, and strict loading into a network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn

from diar.models.encoders.base import ModelError
from diar.models.weights.inert import CheckpointArchive, TensorView

# Keys on the way to the state dict, as training frameworks save it
_PLACES: tuple[tuple[str, ...], ...] = ((), ("model",), ("state_dict",), ("model", "state_dict"))
_PREFIX = "module."  # of parallel training


@dataclass(frozen=True)
class Checkpoint:
    """What a file holds.

    Attributes:
        parameters: by name, without the prefix "module." of parallel training.
        about: what else stands beside them; objects that are no plain data are inert, or `Noted`.
    """

    parameters: dict[str, Tensor]
    about: Mapping[str, Any]


def read_state_dict(file: Path) -> dict[str, Tensor]:
    """Return the parameters of a checkpoint by name; raises what `read_checkpoint` does."""
    return read_checkpoint(file).parameters


def read_checkpoint(file: Path) -> Checkpoint:
    """Read a checkpoint; nothing in the file is executed.

    Wrappings as {"model": …} or {"state_dict": …} and the prefix "module." are removed.

    Raises:
        ModelError: no readable checkpoint, or something else than names and tensors where these should be.
    """
    with _telling(file), file.open("rb") as stream:
        archive = CheckpointArchive(stream)
        description = archive.description()
        views = _unwrapped(description)
        parameters = {name.removeprefix(_PREFIX): archive.tensor(view) for name, view in views.items()}
        return Checkpoint(parameters, {} if views is description else description)


def parameter_names(file: Path) -> list[str]:
    """Return the names of a checkpoint's parameters, without reading their numbers.

    Raises:
        ModelError: as `read_checkpoint`.
    """
    with _telling(file), file.open("rb") as stream:
        return [name.removeprefix(_PREFIX) for name in _unwrapped(CheckpointArchive(stream).description())]


@contextmanager
def _telling(file: Path) -> Iterator[None]:
    try:
        yield
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
    """Load parameters that fit the network's exactly; raises what `check_fit` does."""
    check_fit(network.state_dict(), given, file, remedy)
    network.load_state_dict(dict(given))


def check_fit(
    expected: Mapping[str, Tensor],
    given: Mapping[str, Tensor],
    file: Path,
    remedy: str,
    described: str = "config.yaml",
) -> None:
    """Refuse parameters that are not just as expected in names, shapes, and being finite.

    Args:
        expected: by name; only their shapes count.
        given: of the checkpoint.
        file: that they come from.
        remedy: what the user can do.
        described: where the expected architecture comes from.

    Raises:
        ModelError: they do not fit; names the file, the first few parameters, and `remedy`.
    """
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
            f"{file} does not fit the architecture in {described}: parameters {'; '.join(found)}. {remedy}"
        )


def _is_finite(tensor: Tensor) -> bool:
    # A sum shows nearly always that all are finite, and is one pass; it can also overflow
    return bool(torch.isfinite(tensor.sum()) or torch.isfinite(tensor).all())


def _first_few(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
