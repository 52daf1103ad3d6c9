"""The segmentation network on seg_windows of many lengths, packed into a few rows of one length.

In a row, seg_windows begin at whole frames, so no frame of one sees samples of another. Norms are taken over
each by itself. Between two seg_windows the LSTM is made to forget: one more input, which is 1 in the gaps,
closes its gates there, so that it comes to the next seg_window with the zeros that it begins a row with.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diar.models.packing import Packing
from diar.models.segmentation.bf16 import Bf16LSTM
from diar.models.segmentation.pyannet import PyanNet
from diar.models.segmentation.sincnet import CONV_TAPS, POOL, SINC_TAPS

_TIMES_LONGEST = (1, 1.5, 2, 3)  # lengths of a row that are tried
_CLOSED = -1e4  # in a gate before its sigmoid, which is then exactly 0; half precision holds it


class PackedPyanNet:
    """Runs a network that is on its device.

    Args:
        network: in eval mode; its LSTM may still change its precision before the first call.
        at_once: samples of seg_windows in one forward pass.
    """

    def __init__(self, network: PyanNet, at_once: int) -> None:
        self._network = network
        self._step = network.frames.step
        self._at_once = at_once

    def __call__(self, windows: Sequence[Tensor]) -> list[Tensor]:
        """Return the aligned output of the network, (frames, classes), for each of `windows` (samples,)."""
        found: list[Tensor] = []
        for part in self._parts(windows):
            packing = _pack([-(-len(window) // self._step) for window in part])
            frames = [self._network.num_frames(len(window)) for window in part]
            found += self._aligned(self._sincnet(part, packing).transpose(1, 2), frames, packing)
        return found

    def of_windows(self, groups: Sequence[tuple[Tensor, Sequence[int], int]]) -> list[Tensor]:
        """Return likewise for the seg_windows of chunks, each group as `PyanNet.of_windows` takes it."""
        features = (self._network.features_of_windows(*group) for group in groups)
        return self.of_features([one for some in features for one in some])

    def of_features(self, windows: Sequence[Tensor]) -> list[Tensor]:
        """Return likewise for SincNet's features (frames, features) of each of the seg_windows."""
        found: list[Tensor] = []
        for part in self._parts(windows, self._step):
            frames = [len(features) for features in part]
            packing = _pack([count + 1 for count in frames])  # one to forget in
            rows = part[0].new_zeros(packing.rows, packing.length, part[0].shape[1])
            for features, place in zip(part, packing.places, strict=True):
                rows[place.row, place.start : place.start + len(features)] = features
            found += self._aligned(rows, frames, packing)
        return found

    def _parts(self, windows: Sequence[Tensor], scale: int = 1) -> Iterator[list[Tensor]]:
        """Yield as many of `windows` as may be computed at once, of `scale` samples an entry."""
        part: list[Tensor] = []
        for window in windows:
            if part and scale * (sum(map(len, part)) + len(window)) > self._at_once:
                yield part
                part = []
            part.append(window)
        if part:
            yield part

    def _aligned(self, features: Tensor, frames: Sequence[int], packing: Packing) -> list[Tensor]:
        """Return the aligned output (frames, classes) of each seg_window.

        Args:
            features: (rows, frames, features).
            frames: of each seg_window, from the beginning of its place.
            packing: where they lie.
        """
        output = self._classify(features, frames, packing)
        own = [
            output[place.row, place.start : place.start + count]
            for count, place in zip(frames, packing.places, strict=True)
        ]
        return [self._network.aligned(one.unsqueeze(0)).squeeze(0) for one in own]

    def _classify(self, features: Tensor, frames: Sequence[int], packing: Packing) -> Tensor:
        """Return the network's output in the rows, (rows, frames, classes)."""
        network = self._network
        gap = torch.ones(*features.shape[:2], 1, dtype=torch.bool)
        for place, count in zip(packing.places, frames, strict=True):
            gap[place.row, place.start : place.start + count] = False
        gap = gap.to(features.device)
        dtype = next(network.lstm.parameters()).dtype
        features, gap = features.masked_fill(gap, 0).to(dtype), gap.to(dtype)  # the gaps are not normalised
        for layer in self._forgetting_layers:
            features, _ = layer(torch.cat([features, gap], dim=-1))
        features = features.to(network.classifier.weight.dtype)
        for linear in network.linear:
            features = F.leaky_relu(linear(features))
        return network.powerset.log_probs(network.classifier(features))

    def _sincnet(self, windows: Sequence[Tensor], packing: Packing) -> Tensor:
        """Return the features in the rows, (rows, features, frames)."""
        sincnet, stride = self._network.sincnet, 1  # samples from one value to the next
        lengths = [len(window) for window in windows]
        features = windows[0].new_zeros(packing.rows, 1, packing.length * self._step)
        for window, place in zip(windows, packing.places, strict=True):
            start = place.start * self._step
            features[place.row, :, start : start + len(window)] = sincnet.wav_norm1d(window[None])
        for number, norm in enumerate(sincnet.norm1d):
            taps, hop = (
                (CONV_TAPS, 1) if stride > 1 else (SINC_TAPS, self._step // POOL ** len(sincnet.conv1d))
            )
            features = sincnet.largest(number, features)
            lengths = [((length - taps) // hop + 1) // POOL for length in lengths]
            stride *= hop * POOL
            for length, place in zip(lengths, packing.places, strict=True):
                start = place.start * self._step // stride
                own = features[place.row : place.row + 1, :, start : start + length]
                own.copy_(norm(own))
            features = F.leaky_relu(features)
        return features

    @cached_property
    def _forgetting_layers(self) -> list[nn.LSTM]:
        """The LSTM's layers, each with one more input, by which it forgets."""
        lstm = self._network.lstm
        layers = []
        for number in range(lstm.num_layers):
            inputs = lstm.input_size if number == 0 else 2 * lstm.hidden_size
            layer = nn.LSTM(inputs + 1, lstm.hidden_size, batch_first=True, bidirectional=True)
            layer.to(next(lstm.parameters())).requires_grad_(False).eval()
            for name, parameter in layer.named_parameters():
                given = getattr(lstm, name.replace("_l0", f"_l{number}"))
                if name.startswith("weight_ih"):
                    given = torch.cat([given, _closing_weights(given)], dim=1)
                parameter.copy_(given)
            layers.append(Bf16LSTM(layer) if isinstance(lstm, Bf16LSTM) else layer)
        return layers


def _pack(frames: Sequence[int]) -> Packing:
    """Pack into rows so long that least is computed; an LSTM's step costs about as much as one more row."""
    packings = [Packing(frames, round(times * max(frames)), 0, 1) for times in _TIMES_LONGEST]
    return min(packings, key=lambda packing: (packing.rows + 1) * packing.length)


def _closing_weights(weight: Tensor) -> Tensor:
    """Return (4 · hidden, 1): close the input, forget and output gates; the third are the candidates."""
    gates = weight.new_tensor([_CLOSED, _CLOSED, 0, _CLOSED])
    return gates.repeat_interleave(len(weight) // 4).unsqueeze(1)
