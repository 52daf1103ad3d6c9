"""A Sortformer: who of up to eight speakers speaks in each 10 ms, in order of arrival, each by itself.

T. Park et al., "Sortformer: seamless integration of speaker diarization and ASR by bridging timestamps and
tokens", ICML 2025. The network is NVIDIA's Nemotron 3 Diarization as transformers (Apache-2.0) computes it:
`Nemotron3DiarizationForAudioFrameClassification` on one chunk, with nothing in its cache.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from diar.models.segmentation.base import FrameGeometry, SegmentationNetwork
from diar.models.segmentation.sortformer.encoder import Encoder
from diar.models.segmentation.sortformer.mels import HOP, LogMels
from diar.models.segmentation.sortformer.settings import SortformerSettings

_LEAST_SAMPLES = 1280  # 80 ms: a frame of the published encoder


class Upsampler(nn.Module):
    """(batch, frames, channels) → (batch, frames · stacked, channels), by a convolution over three frames."""

    def __init__(self, settings: SortformerSettings) -> None:
        super().__init__()
        self.stacked = settings.stacked
        self.conv = nn.Conv1d(settings.narrow, settings.stacked * settings.narrow, 3, padding=1)

    def forward(self, frames: Tensor) -> Tensor:
        """See the class."""
        side_by_side = self.conv(frames.transpose(1, 2)).transpose(1, 2)
        return side_by_side.unflatten(2, (self.stacked, -1)).flatten(1, 2)


class Body(nn.Module):
    """(batch, mel frames, bands) → (batch, at least as many frames, narrow channels)."""

    def __init__(self, settings: SortformerSettings) -> None:
        super().__init__()
        self.audio_tower = Encoder(settings)
        self.proj = nn.Linear(settings.size, settings.narrow)
        self.upsampler = Upsampler(settings)

    def forward(self, mels: Tensor, heard: int) -> Tensor:
        """See the class; only the first `heard` mel frames have audio."""
        output: Tensor = self.upsampler(self.proj(self.audio_tower(mels, heard)))
        return output


class Head(nn.Module):
    """(…, narrow channels) → (…, speakers), log-odds."""

    def __init__(self, settings: SortformerSettings) -> None:
        super().__init__()
        self.dense = nn.Linear(settings.narrow, settings.narrow)
        self.out_proj = nn.Linear(settings.narrow, settings.num_local_speakers)

    def forward(self, frames: Tensor) -> Tensor:
        """See the class."""
        output: Tensor = self.out_proj(F.relu(self.dense(F.relu(frames))))
        return output


class Sortformer(SegmentationNetwork):
    """See `SegmentationNetwork`. Frame i answers for 10 · i to 10 · (i + 1) ms; speakers are a `MultiLabel`.

    It stays in fp32, as nobody has measured DER otherwise.
    """

    seconds_at_once: ClassVar[Mapping[str, float]] = MappingProxyType({"cuda": 1920.0, "cpu": 32.0})
    bf16_on_cpu: ClassVar[bool] = False
    second_opinion: ClassVar[bool] = False

    def __init__(self, settings: SortformerSettings) -> None:
        super().__init__(settings, FrameGeometry(HOP, HOP))
        self.mels = LogMels(settings.mels)
        self.model = Body(settings)
        self.classifier = Head(settings)

    @property
    def min_samples(self) -> int:
        """Samples of the shortest seg_window, 80 ms."""
        return _LEAST_SAMPLES

    def log_odds(self, waveform: Tensor) -> Tensor:
        """(batch, samples) float32 in ±1 → (batch, frames, speakers); others in a batch change nothing.

        Raises:
            ValueError: another shape, or fewer than `min_samples`.
        """
        self.check_waveform(waveform)
        heard = self.num_frames(waveform.shape[1])
        odds: Tensor = self.classifier(self.model(self.mels(waveform), heard)[:, :heard])
        return odds

    def forward(self, waveform: Tensor) -> Tensor:
        """(batch, samples) → (batch, frames, speakers), log-probabilities; raises what `log_odds` does."""
        return self.powerset.log_probs(self.log_odds(waveform))

    def in_bf16(self) -> Sortformer:
        """Return itself; see the class."""
        return self

    def use_half(self) -> None:
        """Change nothing; see the class."""
