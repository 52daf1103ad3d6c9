"""Sizes of the Sortformer and of its front end."""

from __future__ import annotations

from dataclasses import dataclass

from diar.models.segmentation.base import SegmentationSettings

SEG_WINDOW_SECONDS = 32.0  # a chunk of stage 1 with what is around it, so that each is one pass
_MOST_LAYERS, _MOST_SIZE, _MOST_SPEAKERS = 100, 65_536, 32  # the published network has 31 layers, 2048, 8
_MOST_MELS = 512


def _check(right: bool, what: str) -> None:
    if not right:
        raise ValueError(f"{what} are not possible")


@dataclass(frozen=True)
class MelSettings:
    """The front end.

    Attributes:
        bands: mel bands.
        preemphasis: how much of the sample before is taken from each, 0…1.
        coarse: whether window and filters are rounded to bf16, as some training code keeps them.
    """

    bands: int = 128
    preemphasis: float = 0.97
    coarse: bool = False

    def __post_init__(self) -> None:
        _check(0 < self.bands <= _MOST_MELS, "mel bands")
        _check(0 <= self.preemphasis <= 1, "pre-emphasis")


@dataclass(frozen=True, kw_only=True)
class SortformerSettings(SegmentationSettings):
    """Sizes of the network; the defaults are those of the published one.

    Attributes:
        mels: the front end.
        stacked: mel frames side by side in a frame of the encoder.
        size: channels of an encoder layer.
        num_heads: of an encoder layer.
        hidden: units of a layer's feed-forward part.
        num_layers: of the encoder.
        rotary_base: of the wavelengths by which positions rotate queries and keys.
        narrow: channels after the encoder.
    """

    mels: MelSettings = MelSettings()
    stacked: int = 8
    size: int = 512
    num_heads: int = 8
    hidden: int = 2048
    num_layers: int = 31
    rotary_base: float = 10_000.0
    narrow: int = 192
    seg_window_seconds: float = SEG_WINDOW_SECONDS
    num_local_speakers: int = 8
    max_simultaneous: int | None = None
    lead_seconds: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        sizes = self.stacked, self.size, self.num_heads, self.hidden, self.num_layers, self.narrow
        _check(all(0 < number <= _MOST_SIZE for number in sizes), "sizes")
        _check(self.num_layers <= _MOST_LAYERS, "numbers of layers")
        _check(not self.size % (2 * self.num_heads), "heads, whose channels are no pairs,")
        _check(1 < self.rotary_base < float("inf"), "wavelengths of positions")
        _check(0 < self.num_local_speakers <= _MOST_SPEAKERS, "local speakers")
