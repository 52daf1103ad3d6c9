"""WavLM, a Conformer on the mixture of its layers, and a powerset of local speakers.

J. Han et al., "Leveraging self-supervised learning for speaker diarization", ICASSP 2025 (DiariZen), and
"Efficient and generalizable speaker diarization via structured pruning of self-supervised models", 2025.
SUPlime is the same idea with another Conformer and two more linear layers.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diar.models.segmentation.base import FrameGeometry, SegmentationNetwork
from diar.models.segmentation.wavlm.conformer import Conformer
from diar.models.segmentation.wavlm.settings import WavLMConformerSettings
from diar.models.segmentation.wavlm.trunk import WavLM


class WavLMConformer(SegmentationNetwork):
    """See `SegmentationNetwork`. A frame is 20 ms.

    On the CPU it stays in fp32, as nobody has measured DER otherwise; on a GPU, WavLM may be in fp16, which
    is how SUPlime's published figures were made.
    """

    # A second of WavLM's first convolution is 6.5 MB
    seconds_at_once: ClassVar[Mapping[str, float]] = MappingProxyType({"cuda": 128.0, "cpu": 16.0})
    bf16_on_cpu: ClassVar[bool] = False
    second_opinion: ClassVar[bool] = False

    def __init__(self, settings: WavLMConformerSettings) -> None:
        super().__init__(settings, FrameGeometry(*settings.wavlm.receptive_field))
        size = settings.conformer.size
        self._softmax, self._half = settings.softmax, False
        self.wavlm_model = WavLM(settings.wavlm)
        self.weight_sum = nn.Linear(settings.num_mixed, 1, bias=False)
        self.proj = nn.Linear(settings.wavlm.size, size) if settings.projected else None
        self.lnorm = nn.LayerNorm(size) if settings.projected else None
        self.conformer = Conformer(settings.conformer)
        sizes = [size, *settings.linear]
        self.linear = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.classifier = nn.Linear(sizes[-1], self.powerset.num_classes)

    def forward(self, waveform: Tensor) -> Tensor:
        """(batch, samples) → (batch, frames, classes); what is found does not depend on the batch.

        Raises:
            ValueError: another shape, or fewer than `min_samples`.
        """
        self.check_waveform(waveform)
        frames = self._mixed(waveform)
        if self.proj is not None and self.lnorm is not None:
            frames = self.lnorm(self.proj(frames))
        frames = self.conformer(frames)
        for linear in self.linear:
            frames = F.leaky_relu(linear(frames))
        return self.powerset.log_probs(self.classifier(frames))

    def _mixed(self, waveform: Tensor) -> Tensor:
        """Return the mixture of WavLM's layers, (batch, frames, size) float32."""
        weights = self.weight_sum.weight[0]
        weights = weights.softmax(dim=0) if self._softmax else weights
        with torch.autocast(waveform.device.type, torch.float16, enabled=self._half):
            mixed: Tensor = self.wavlm_model(waveform, weights)
        return mixed.float()

    def in_bf16(self) -> WavLMConformer:
        """Return itself; see the class."""
        return self

    def use_half(self) -> None:
        """Compute WavLM in fp16 from now on; its sums over frames and channels, and the rest, stay fp32."""
        self._half = True
