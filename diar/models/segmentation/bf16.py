"""An LSTM in bf16 on the CPU whose cells stay fp32.

torch's own keeps the cells in bf16, too: then what a frame adds to a cell is rounded away once the cell is
large, which moves probabilities ten times as much as rounded weights and inputs do (decision 069).
"""

from __future__ import annotations

import warnings
from functools import cache

import torch
from torch import Tensor, nn

from diar.models.inference import cpu_has_bf16
from diar.models.weights.empty import WithoutInitialValues

_LSTM = 2  # the number of this kind of network in torch


class Bf16LSTM(nn.LSTM):
    """A copy of a bidirectional LSTM with biases that takes (batch, frames, inputs)."""

    def __init__(self, lstm: nn.LSTM) -> None:
        assert lstm.bidirectional and lstm.batch_first and lstm.bias
        sizes = lstm.input_size, lstm.hidden_size, lstm.num_layers
        with WithoutInitialValues():
            super().__init__(*sizes, batch_first=True, bidirectional=True)
        self.load_state_dict(lstm.state_dict())
        self.bfloat16().requires_grad_(False).eval()

    def forward(self, frames: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        """(batch, frames, inputs) → (batch, frames, 2 · hidden_size) bf16; the states are not returned."""
        frames = frames.bfloat16().transpose(0, 1).contiguous()
        for layer in range(self.num_layers):
            both = [self._direction(frames, f"l{layer}{suffix}") for suffix in ("", "_reverse")]
            frames = torch.cat(both, dim=-1)
        return frames.transpose(0, 1), None

    def _direction(self, frames: Tensor, name: str) -> Tensor:
        """Return (frames, batch, hidden_size) of one layer in one direction."""
        weights = [
            getattr(self, f"{kind}_{name}") for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        ]
        states = frames.new_zeros(frames.shape[1], self.hidden_size)
        output: Tensor = torch.ops.aten.mkldnn_rnn_layer(
            frames, *weights, states, states.float(), name.endswith("_reverse"),
            [], _LSTM, self.hidden_size, 1, True, False, False, False,
        )[0]  # fmt: skip
        return output


@cache
def runs_here() -> bool:
    """Tell whether this CPU multiplies bf16 natively and oneDNN can use that; warn if only the first."""
    if not cpu_has_bf16():
        return False
    try:
        with torch.inference_mode(), WithoutInitialValues():
            Bf16LSTM(nn.LSTM(2, 2, batch_first=True, bidirectional=True))(torch.zeros(1, 2, 2))
    except (RuntimeError, AttributeError) as error:
        warnings.warn(
            f"oneDNN cannot compute an LSTM in bf16 here, so segmentation stays in fp32: {error}",
            stacklevel=2,
        )
        return False
    return True
