"""Sizes of WavLM, of the Conformer on it, and of what follows."""

from __future__ import annotations

import math
from dataclasses import dataclass

from diar.models.segmentation.base import SegmentationSettings

_MOST_LAYERS, _MOST_SIZE = 100, 65_536  # of anything; WavLM-Large has 24 layers of 4096
_MOST_SPEAKERS, _MOST_CLASSES = 32, 1024


@dataclass(frozen=True)
class Convolution:
    """One of the convolutions that turn samples into frames."""

    channels: int
    taps: int
    stride: int


@dataclass(frozen=True)
class WavLMSettings:
    """Sizes of WavLM, which may be pruned: each layer has its own.

    Attributes:
        convolutions: of the front end, in order.
        biased: whether they have a bias.
        large: the layers' parts are normalised first, and so are all convolutions, as in WavLM-Large.
        normalized: the waveform is normalised.
        scaled: a factor a channel follows the convolutions, as pruning leaves it.
        size: channels of a layer.
        num_heads: of a layer that is not pruned; `size` is a multiple of it.
        heads: for each layer the heads that are left, none where it has no attention.
        hidden: for each layer the hidden units of its feed-forward part, 0 where it has none.
        position_taps, position_groups: of the convolution that tells frames their places.
        buckets, max_distance: of the relative positions.
    """

    convolutions: tuple[Convolution, ...]
    size: int
    num_heads: int
    heads: tuple[tuple[int, ...], ...]
    hidden: tuple[int, ...]
    large: bool
    normalized: bool
    scaled: bool = True
    biased: bool = False
    position_taps: int = 128
    position_groups: int = 16
    buckets: int = 320
    max_distance: int = 800  # frames

    def __post_init__(self) -> None:
        numbers = [self.size, self.num_heads, self.position_taps, self.position_groups]
        numbers += [number for one in self.convolutions for number in (one.channels, one.taps, one.stride)]
        _check(bool(self.convolutions) and all(0 < number <= _MOST_SIZE for number in numbers), "sizes")
        _check(0 < len(self.heads) == len(self.hidden) <= _MOST_LAYERS, "numbers of layers")
        _check(all(0 <= number <= _MOST_SIZE for number in self.hidden), "hidden units")
        _check(not self.size % self.num_heads, "heads, of which the size is no multiple,")
        _check(not self.size % self.position_groups, "groups, of which the size is no multiple,")
        _check(all(_ascending(heads, self.num_heads) for heads in self.heads), "heads that are left")
        # The largest distances share buckets by their logarithm
        _check(4 <= self.buckets < 4 * self.max_distance and not self.buckets % 4, "buckets")

    @property
    def head_size(self) -> int:
        """Channels of a head."""
        return self.size // self.num_heads

    @property
    def receptive_field(self) -> tuple[int, int]:
        """How many samples a frame sees, and how many lie from one frame to the next."""
        step = math.prod(one.stride for one in self.convolutions)
        size = 1
        for one in reversed(self.convolutions):
            size = (size - 1) * one.stride + one.taps
        return size, step


@dataclass(frozen=True)
class ConformerSettings:
    """Sizes of the Conformer."""

    size: int  # channels
    num_heads: int
    hidden: int  # units of its feed-forward parts
    num_layers: int
    taps: int  # of its convolutions

    def __post_init__(self) -> None:
        sizes = self.size, self.num_heads, self.hidden, self.num_layers, self.taps
        _check(all(0 < number <= _MOST_SIZE for number in sizes), "sizes of the Conformer")
        _check(self.num_layers <= _MOST_LAYERS, "layers of the Conformer")
        _check(not self.size % self.num_heads and self.taps % 2 == 1, "heads or taps of the Conformer")


@dataclass(frozen=True, kw_only=True)
class WavLMConformerSettings(SegmentationSettings):
    """Sizes of the network, and what it was trained on.

    Attributes:
        wavlm, conformer: of its two parts.
        projected: whether WavLM's frames are projected to the Conformer's size and normalised.
        softmax: whether the weights of WavLM's layers are a softmax of what is stored, without its input.
        linear: outputs of the linear layers before the classifier.
    """

    wavlm: WavLMSettings
    conformer: ConformerSettings
    projected: bool
    softmax: bool
    linear: tuple[int, ...] = ()
    num_local_speakers: int = 4
    lead_seconds: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        _check(self.projected or self.wavlm.size == self.conformer.size, "sizes of WavLM and Conformer")
        _check(all(0 < number <= _MOST_SIZE for number in self.linear), "linear layers")
        _check(0 < self.seg_window_seconds <= 3600, "seconds of a seg_window")
        _check(0 < self.num_local_speakers <= _MOST_SPEAKERS, "local speakers")
        at_once = range(1 + (self.max_simultaneous or 1))
        _check(len(at_once) - 1 <= self.num_local_speakers, "speakers at once")
        classes = sum(math.comb(self.num_local_speakers, number) for number in at_once)
        _check(classes <= _MOST_CLASSES, "classes")

    @property
    def num_mixed(self) -> int:
        """How many layers of WavLM are mixed; its input counts as one where `softmax` is off."""
        return len(self.wavlm.heads) + (not self.softmax)


def _check(right: bool, what: str) -> None:
    if not right:
        raise ValueError(f"{what} are not possible")


def _ascending(heads: tuple[int, ...], num_heads: int) -> bool:
    return list(heads) == sorted(set(heads)) and all(0 <= head < num_heads for head in heads)
