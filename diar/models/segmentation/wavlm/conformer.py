"""The Conformer: attention between whole seg_windows, convolutions between neighbours.

A. Gulati et al., "Conformer: convolution-augmented Transformer for speech recognition", Interspeech 2020.
Parameters have DiariZen's names; SUPlime's are those of torchaudio.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from diar.models.segmentation.wavlm.attention import attend
from diar.models.segmentation.wavlm.settings import ConformerSettings


class FeedForwardPart(nn.Module):
    """Half of a feed-forward step: shapes stay."""

    def __init__(self, settings: ConformerSettings) -> None:
        super().__init__()
        self.ln_norm = nn.LayerNorm(settings.size)
        self.w_1 = nn.Linear(settings.size, settings.hidden)
        self.w_2 = nn.Linear(settings.hidden, settings.size)

    def forward(self, frames: Tensor) -> Tensor:
        """See the class."""
        return frames + 0.5 * self.w_2(F.silu(self.w_1(self.ln_norm(frames))))


class Heads(nn.Module):
    """The linear layers of self-attention."""

    def __init__(self, settings: ConformerSettings) -> None:
        super().__init__()
        self.num_heads = settings.num_heads
        self.in_proj = nn.Linear(settings.size, 3 * settings.size)
        self.linearO = nn.Linear(settings.size, settings.size)

    def forward(self, frames: Tensor) -> Tensor:
        """(batch, frames, size) → likewise."""
        output: Tensor = self.linearO(attend(self.in_proj(frames), self.num_heads))
        return output


class AttentionPart(nn.Module):
    """Self-attention: shapes stay."""

    def __init__(self, settings: ConformerSettings) -> None:
        super().__init__()
        self.ln_norm = nn.LayerNorm(settings.size)
        self.mha = Heads(settings)

    def forward(self, frames: Tensor) -> Tensor:
        """See the class."""
        attended: Tensor = frames + self.mha(self.ln_norm(frames))
        return attended


class ConvolutionPart(nn.Module):
    """A gate and a convolution of each channel: shapes stay."""

    def __init__(self, settings: ConformerSettings) -> None:
        super().__init__()
        size, taps = settings.size, settings.taps
        self.ln_norm = nn.LayerNorm(size)
        self.pointwise_conv1 = nn.Conv1d(size, 2 * size, 1)
        self.depthwise_conv = nn.Conv1d(size, size, taps, padding=taps // 2, groups=size)
        self.bn_norm = nn.BatchNorm1d(size)
        self.pointwise_conv2 = nn.Conv1d(size, size, 1)

    def forward(self, frames: Tensor) -> Tensor:
        """See the class; convolutions of one frame are linear layers."""
        one, two = self.pointwise_conv1, self.pointwise_conv2
        gated = F.glu(F.linear(self.ln_norm(frames), one.weight.squeeze(2), one.bias), dim=2)
        passed = F.silu(self.bn_norm(self.depthwise_conv(gated.transpose(1, 2)))).transpose(1, 2)
        return frames + F.linear(passed, two.weight.squeeze(2), two.bias)


class ConformerLayer(nn.Module):
    """(batch, frames, size) → likewise."""

    def __init__(self, settings: ConformerSettings) -> None:
        super().__init__()
        self.ffn1 = FeedForwardPart(settings)
        self.mha = AttentionPart(settings)
        self.conv = ConvolutionPart(settings)
        self.ffn2 = FeedForwardPart(settings)
        self.ln_norm = nn.LayerNorm(settings.size)

    def forward(self, frames: Tensor) -> Tensor:
        """See the class."""
        output: Tensor = self.ln_norm(self.ffn2(self.conv(self.mha(self.ffn1(frames)))))
        return output


class Conformer(nn.Module):
    """(batch, frames, size) → likewise."""

    def __init__(self, settings: ConformerSettings) -> None:
        super().__init__()
        self.conformer_layer = nn.ModuleList(ConformerLayer(settings) for _ in range(settings.num_layers))

    def forward(self, frames: Tensor) -> Tensor:
        """See the class."""
        for layer in self.conformer_layer:
            frames = layer(frames)
        return frames
