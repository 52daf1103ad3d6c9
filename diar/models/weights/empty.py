"""Networks whose parameters a checkpoint is about to give: their initial values are not drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch.overrides import TorchFunctionMode

_DRAWING = {
    "uniform_",
    "normal_",
    "trunc_normal_",
    "xavier_uniform_",
    "xavier_normal_",
    "kaiming_uniform_",
    "kaiming_normal_",
}


class WithoutInitialValues(TorchFunctionMode):
    """Within the block, layers leave their parameters as the memory was that they got.

    Constants and computed buffers are set as ever. Only for networks of which every parameter is loaded.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Return the tensor as it is where random numbers would be drawn into it."""
        kwargs = kwargs or {}
        if getattr(func, "__name__", "") in _DRAWING:
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)
