"""Networks on the audio of several streams at once, each as if it were alone."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor

from diar.models.inference import Trunk

_TRACED_FRAMES, _TRIED_FRAMES = 100, (48, 198)  # of fbank, in up to 2 s


class Together:
    """A network that runs on several inputs at once, where that gives what it gives each alone, bit for bit.

    Whether it does depends on the processor and on the shape; it is tried once for each shape.

    Args:
        network: (batch, …) → (batch, …).
        most: inputs in one pass; more are no faster.

    Attributes:
        network: that one.
    """

    def __init__(self, network: Callable[[Tensor], Tensor], most: int) -> None:
        self.network, self._most = network, most
        self._exact: dict[tuple[int, ...], bool] = {}  # by shape of a batch

    def __call__(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Return the output for each of `inputs`, (1, …); those of one shape go together."""
        found: dict[int, Tensor] = {}
        for shape in sorted({tuple(own.shape) for own in inputs}):
            numbers = [number for number, own in enumerate(inputs) if own.shape == shape]
            for part in np.array_split(numbers, -(-len(numbers) // self._most)):
                batch = torch.cat([inputs[number] for number in part])
                found.update(zip(part.tolist(), self._run(batch).split(1), strict=True))
        return [found[number] for number in range(len(inputs))]

    def warm_up(self, one: Tensor) -> None:
        """Try batches of as many inputs like `one` (1, …) as go together."""
        for count in range(1, self._most + 1):
            self([one] * count)

    def _run(self, batch: Tensor) -> Tensor:
        shape = tuple(batch.shape)
        if len(batch) == 1 or self._exact.get(shape, True):
            output = self.network(batch)
            if len(batch) == 1 or shape in self._exact:
                return output
        alone = torch.cat([self.network(own) for own in batch.split(1)])
        if shape not in self._exact:
            self._exact[shape] = torch.equal(output, alone)
        return alone


def compiled(trunk: Trunk, bins: int) -> Callable[[Tensor], Tensor]:
    """Return a trunk without Python, which takes as long as the network on a second of speech.

    Its operations are those for `_TRACED_FRAMES`. Where another number of frames gives another result, the
    trunk stays as it is.
    """
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the tracer warns of all that depends on the number of frames
        traced = torch.jit.trace(trunk.eval(), torch.zeros(1, _TRACED_FRAMES, bins), check_trace=False)
        frozen = torch.jit.freeze(traced)
        noise = torch.Generator().manual_seed(0)
        for frames in _TRIED_FRAMES:
            trial = torch.randn(1, frames, bins, generator=noise)
            if not torch.equal(frozen(trial), trunk(trial)):
                return trunk
    return cast("Callable[[Tensor], Tensor]", frozen)
