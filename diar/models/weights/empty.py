"""Networks whose parameters a checkpoint is about to give: their initial values are not drawn."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from torch.overrides import TorchFunctionMode

_MOST_NUMBERS, _MOST_TENSORS = 2**30, 100_000  # of a network; what is supported has a tenth of that at most
_MAKING = {"empty", "zeros", "ones", "full"}
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

    Raises:
        ValueError: a configuration asks for more numbers than any network has, before they take memory.
    """

    def __init__(self) -> None:
        super().__init__()
        self._numbers = self._tensors = 0

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Return the tensor as it is where random numbers would be drawn into it."""
        kwargs = kwargs or {}
        if getattr(func, "__name__", "") in _MAKING:
            self._count(args[0] if args else kwargs.get("size", ()), args)
        if getattr(func, "__name__", "") in _DRAWING:
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)

    def _count(self, size: Any, args: tuple[Any, ...]) -> None:
        shape = size if isinstance(size, Sequence) else [number for number in args if isinstance(number, int)]
        self._numbers += math.prod(shape)
        self._tensors += 1
        if self._numbers > _MOST_NUMBERS or self._tensors > _MOST_TENSORS:
            raise ValueError(f"it would have over {_MOST_NUMBERS:,} numbers or {_MOST_TENSORS:,} tensors")
