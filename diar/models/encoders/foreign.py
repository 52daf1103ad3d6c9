"""Architectures that only the `wespeaker` package knows, run as it defines them: one forward a mask."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from diar.models.encoders.base import ModelError, SpeakerEncoder, check_masks

MIN_FRAMES = 32  # 0.3 s; less is shorter than the context of some networks


class ForeignEncoder(SpeakerEncoder):
    """A network without trunk and pooling: its frames are the fbank, pooling is one forward a mask.

    Fewer than MIN_FRAMES chosen frames are repeated until there are that many.

    Args:
        network: (batch, frames, mels) → embedding (batch, embedding_dim), or a tuple whose last item is that.
        num_mel_bins: mels that it takes.
    """

    frame_stride, reach = 1, 0

    def __init__(self, network: nn.Module, num_mel_bins: int) -> None:
        super().__init__()
        self.network = network.eval()
        with torch.no_grad():
            self.embedding_dim = self.forward(torch.zeros(1, MIN_FRAMES, num_mel_bins)).shape[-1]

    def frames(self, fbank: Tensor) -> Tensor:
        """(batch, frames, mels) → (batch, mels, frames)."""
        return fbank.transpose(1, 2)

    def pool(self, frames: Tensor, masks: Tensor) -> Tensor:
        """See `SpeakerEncoder.pool`."""
        check_masks(frames, masks)
        embeddings = frames.new_zeros(*masks.shape[:2], self.embedding_dim)
        for item, track in torch.nonzero(masks.any(dim=-1)).tolist():
            chosen = frames[item, :, masks[item, track] > 0].T  # (frames, mels)
            embeddings[item, track] = self.forward(chosen.unsqueeze(0))[0]
        return embeddings

    def forward(self, fbank: Tensor) -> Tensor:
        """(batch, frames, mels) → (batch, embedding_dim)."""
        repeats = -(-MIN_FRAMES // fbank.shape[1])
        output = self.network(fbank.repeat(1, repeats, 1) if repeats > 1 else fbank)
        embedding: Tensor = output[-1] if isinstance(output, tuple) else output
        return embedding

    def weights(self) -> nn.Module:
        """Return the package's own network."""
        return self.network


def build_foreign(
    architecture: str, model_args: dict[str, Any], num_mel_bins: int, supported: Sequence[str]
) -> ForeignEncoder:
    """Build the package's network of that name.

    Raises:
        ModelError: the package is not installed or does not know the name either.
        TypeError, ValueError: `model_args` do not fit.
    """
    unsupported = f"architecture {architecture!r} is not supported; supported are {', '.join(supported)}"
    try:
        package = importlib.import_module("wespeaker.models.speaker_model")
    except ImportError as error:
        raise ModelError(
            f"{unsupported}, and others through the wespeaker package, which cannot be imported ({error}); "
            "install it with pip install git+https://github.com/wenet-e2e/wespeaker"
        ) from error
    try:
        constructor = package.get_speaker_model(architecture)
    except (SystemExit, AttributeError) as error:  # its way to say that it does not know a name
        raise ModelError(
            f"{unsupported}, and the installed wespeaker package does not know it either"
        ) from error
    return ForeignEncoder(constructor(**model_args), num_mel_bins)
