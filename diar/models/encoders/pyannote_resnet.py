"""WeSpeaker's ResNets as pyannote.audio runs them: its pooling, and an embedding also of an empty mask."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import Tensor

from diar.models.encoders.base import check_masks
from diar.models.encoders.resnet import BasicBlock, Bottleneck, ResNet


class PyannoteResNet(ResNet):
    """A ResNet with `StatsPool`; a track without frames has the embedding of statistics that are all 0."""

    def pool(self, frames: Tensor, masks: Tensor) -> Tensor:
        """See `SpeakerEncoder.pool`, but for empty masks."""
        check_masks(frames, masks)
        pooling = self._modules[self.pooling_name]
        assert pooling is not None
        statistics = pooling(frames, masks.to(frames.dtype))
        return self.embed(statistics.flatten(0, 1)).unflatten(0, masks.shape[:2])


_sized = partial(PyannoteResNet, pooling_func="StatsPool", embed_dim=256)

# pyannote's class → our name for the architecture, and what builds it for a number of mels
PYANNOTE_RESNETS: dict[str, tuple[str, Callable[..., PyannoteResNet]]] = {
    "WeSpeakerResNet34": ("ResNet34", partial(_sized, BasicBlock, (3, 4, 6, 3))),
    "WeSpeakerResNet152": ("ResNet152", partial(_sized, Bottleneck, (3, 8, 36, 3))),
    "WeSpeakerResNet221": ("ResNet221", partial(_sized, Bottleneck, (6, 16, 48, 3))),
    "WeSpeakerResNet293": ("ResNet293", partial(_sized, Bottleneck, (10, 20, 64, 3))),
}
