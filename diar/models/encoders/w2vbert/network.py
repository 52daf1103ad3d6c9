"""W2VBert_Adapter_MFA: an adapter for each hidden state of a w2v-BERT, all side by side, and a pooling.

"Enhancing speaker verification with w2v-BERT 2.0 and knowledge distillation guided structured pruning",
arXiv:2510.04213, as WeSpeaker has it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from diar.models.encoders.base import StatisticsEncoder, WholeChunkLayer
from diar.models.encoders.pooling import ASP
from diar.models.encoders.w2vbert.conformer import W2VBert
from diar.models.encoders.w2vbert.items import Item, items_of, items_within, stacked_features
from diar.models.encoders.w2vbert.layers import Norm, Product
from diar.models.encoders.w2vbert.settings import STACKED, W2VBertSettings

MOST_FRAMES = 8192  # trunk frames at a time, which bounds memory; 164 s of audio, or one row


class Frontend(WholeChunkLayer):
    """The w2v-BERT, by the name that it has in WeSpeaker's checkpoints."""

    def __init__(self, settings: W2VBertSettings) -> None:
        super().__init__()
        self.encoder = W2VBert(settings)


class W2VBertAdapterMFA(StatisticsEncoder):
    """A trunk frame is the adapters' channels of all hidden states, 20 ms from the next one.

    By attention, and as its features are normalised over the chunk, it depends on the chunk that it is in.
    `dropout` is a training setting that the configuration carries.

    Args:
        feat_dim: channels of a hidden state.
        embed_dim: numbers in an embedding.
        pooling_func: `ASP`, the only one that WeSpeaker can build here.
        n_mfa_layers: how many of the last hidden states are used; −1: all that
            `num_frontend_hidden_layers` layers give.
        adapter_dim: channels of an adapter.
        dropout: of training.
        num_frontend_hidden_layers: layers of the w2v-BERT.
        trunk: its sizes.

    Raises:
        ValueError: arguments that do not fit each other.
    """

    frame_stride = STACKED
    pooling_name = "pooling"
    exact_input = True
    recordings_only = True

    def __init__(
        self,
        feat_dim: int,
        embed_dim: int = 256,
        pooling_func: str = "ASP",
        n_mfa_layers: int = -1,
        adapter_dim: int = 128,
        dropout: float = 0.0,
        num_frontend_hidden_layers: int = 24,
        *,
        trunk: W2VBertSettings = W2VBertSettings(),  # noqa: B008 - it never changes
    ) -> None:
        super().__init__()
        if pooling_func != "ASP":
            raise ValueError(f"pooling_func {pooling_func!r} is not ASP")
        if feat_dim != trunk.size:
            raise ValueError(f"feat_dim is {feat_dim}, but the w2v-BERT has {trunk.size} channels")
        used = num_frontend_hidden_layers + 1 if n_mfa_layers == -1 else n_mfa_layers
        if not 1 <= used <= trunk.num_layers + 1:
            raise ValueError(f"{used} hidden states are asked for, of {trunk.num_layers + 1}")
        self.embedding_dim, self.unused = embed_dim, trunk.num_layers + 1 - used
        self.channels = adapter_dim * used
        self.reach = STACKED * (trunk.taps - 1)
        self.adapter_layers = nn.ModuleList(_adapter(trunk.size, adapter_dim) for _ in range(used))
        pooling = ASP(self.channels, adapter_dim)
        self.set_pooling(pooling)
        self.bottleneck = nn.Linear(pooling.out_dim, embed_dim)
        self.drop = nn.Dropout(dropout)
        self.frontend = Frontend(trunk)

    def frames(self, fbank: Tensor) -> Tensor:
        """(batch, frames, mels), with or without their mean → (batch, channels, ⌈frames / 2⌉) float32.

        Where the number of frames is odd, the last trunk frame is half empty: it sees the others, and they do
        not see it. So it is with WeSpeaker.
        """
        rows, length = fbank.shape[:2]
        items = items_of(rows, length, self.frontend.packing)
        trunk_frames = self.num_frames(length)
        out = fbank.new_empty(rows, trunk_frames, self.channels, dtype=torch.float32)
        step = max(1, MOST_FRAMES // trunk_frames)
        for first in range(0, rows, step):
            last = min(first + step, rows)
            own = items_within(items, first, last)
            self._adapted(fbank[first:last], own, out[first:last])
        return out.transpose(1, 2)

    def _adapted(self, fbank: Tensor, items: Sequence[Item], out: Tensor) -> None:
        """Write the frames of some rows into `out` (rows, frames, channels)."""
        states = self.frontend.encoder.states(stacked_features(fbank, items), items)
        places = out.chunk(len(self.adapter_layers), dim=-1)
        for number, state in enumerate(states, start=-self.unused):
            if number >= 0:
                places[number].copy_(self.adapter_layers[number](state))

    def pool(self, frames: Tensor, masks: Tensor) -> Tensor:
        """See `SpeakerEncoder.pool`; some items at a time, which bounds memory."""
        step = max(1, MOST_FRAMES // max(1, frames.shape[-1]))
        if len(frames) <= step or len(frames) != len(masks):
            return super().pool(frames, masks)
        pool = super().pool
        parts = zip(frames.split(step), masks.split(step), strict=True)
        return torch.cat([pool(*part) for part in parts])

    def embed(self, statistics: Tensor) -> Tensor:
        """(n, statistics) → (n, embedding_dim)."""
        embedding: Tensor = self.bottleneck(self.drop(statistics))
        return embedding


def _adapter(size: int, width: int) -> nn.Sequential:
    return nn.Sequential(Product(size, width), Norm(width), nn.ReLU(inplace=True), Product(width, width))
