"""What of a network becomes a file: the whole way from samples, or one half of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from diar.errors import DiarError
from diar.export.errors import ExportError
from diar.export.graph.front_end import ProductFrontEnd, product_front_end
from diar.export.graph.trunk import exportable
from diar.models.encoders.base import StatisticsEncoder
from diar.models.encoders.wespeaker import SpeakerModel
from diar.models.features import cmn
from diar.models.segmentation.base import SegmentationModel
from diar.models.segmentation.pyannet import PyanNet

PartName = Literal["waveform", "fbank", "trunk", "pooling", "features"]
_SECONDS = 2.57  # of the example that a graph is traced on: no whole number of anything
_BATCH, _SPEAKERS = 2, 3  # of the example
_SAMPLES, _FRAMES, _TRUNK_FRAMES = "samples", "frames", "trunk_frames"  # names of dynamic axes


@dataclass(frozen=True)
class Part:
    """A network with named inputs and outputs.

    Attributes:
        name: of the part.
        network: takes the inputs in their order; in eval mode, float32, on the CPU.
        example: inputs to trace with.
        axes: of inputs and outputs, whose dynamic axes have names; outputs come after the inputs.
        lengths: samples → the length of each axis over time, by name.
        front_end: makes features of samples; a segmentation network has none.
    """

    name: PartName
    network: nn.Module
    example: Mapping[str, Tensor]
    axes: Mapping[str, Mapping[int, str]]
    lengths: Callable[[int], dict[str, int]]
    front_end: ProductFrontEnd | None = None

    @property
    def inputs(self) -> list[str]:
        """Names of the inputs."""
        return list(self.example)

    @property
    def outputs(self) -> list[str]:
        """Names of the outputs."""
        return [name for name in self.axes if name not in self.example]

    @torch.inference_mode()
    def made(self) -> dict[str, Tensor]:
        """Return the outputs for the example, by name."""
        found = self.network(*self.example.values())
        return dict(zip(self.outputs, found if isinstance(found, tuple) else (found,), strict=True))


class Pooled(nn.Module):
    """Pooling and embedding layers: frames and masks → embeddings, not normalised."""

    def __init__(self, encoder: StatisticsEncoder) -> None:
        super().__init__()
        self.encoder = encoder
        pooling = encoder._modules[encoder.pooling_name]
        assert pooling is not None
        self.pooling = pooling

    def forward(self, frames: Tensor, masks: Tensor) -> Tensor:
        """(batch, channels, T'), (batch, speakers, T') → (batch, speakers, embedding_dim)."""
        statistics = self.pooling(frames, masks)
        flat = self.encoder.embed(statistics.reshape(-1, statistics.shape[-1]))
        embeddings = flat.reshape(masks.shape[0], -1, self.encoder.embedding_dim)
        return embeddings * masks.amax(dim=-1, keepdim=True)  # zero where a mask is empty


class TrunkOfFbank(nn.Module):
    """Features without their mean, and the trunk: (batch, frames, mels) → (batch, channels, T')."""

    def __init__(self, encoder: StatisticsEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, fbank: Tensor) -> Tensor:
        """Return the trunk's frames; a mean that was subtracted already is 0."""
        return self.encoder.frames(cmn(fbank))


class Embeddings(nn.Module):
    """From features, or from samples, to the embeddings of speakers whose frames of 10 ms are known."""

    def __init__(self, encoder: StatisticsEncoder, fbank: ProductFrontEnd | None) -> None:
        super().__init__()
        self.front_end = nn.Identity() if fbank is None else fbank
        self.trunk, self.pooled = TrunkOfFbank(encoder), Pooled(encoder)
        self.stride = encoder.frame_stride

    def forward(self, audio: Tensor, masks: Tensor) -> Tensor:
        """(batch, samples) or (batch, frames, mels), (batch, speakers, frames) → embeddings."""
        embeddings: Tensor = self.pooled(self.trunk(self.front_end(audio)), masks[..., :: self.stride])
        return embeddings


class Segmentation(nn.Module):
    """Log-probabilities as the network gives them, and who speaks, in line with the audio."""

    def __init__(self, network: PyanNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, waveform: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, samples) → (batch, frames, classes), (batch, frames, speakers) of 0 and 1."""
        features = self.network.sincnet(waveform.unsqueeze(1)).transpose(1, 2)
        log_probs = self.network.output(self.network.lstm(features)[0])
        speakers = self.network.powerset.hard(self._aligned(log_probs))
        return log_probs, speakers.to(torch.float32)

    def _aligned(self, log_probs: Tensor) -> Tensor:
        """Compute `PyanNet.aligned` of any number of frames."""
        first, last = (seconds / self.network.frames.step_seconds for seconds in self.network.lead_seconds)
        audio = torch.arange(log_probs.shape[1], device=log_probs.device)
        end = audio.amax().clamp(min=1)
        source = (audio - first) / (1 + (last - first) / end)
        return log_probs.index_select(1, source.round().long().clamp(min=0).minimum(audio.amax()))


class Classes(nn.Module):
    """The LSTM and what follows: SincNet's features → log-probabilities."""

    def __init__(self, network: PyanNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, features: Tensor) -> Tensor:
        """(batch, frames, features) → (batch, frames, classes)."""
        return self.network.output(self.network.lstm(features)[0])


def encoder_part(model: SpeakerModel, name: PartName) -> Part:
    """Return a part of a speaker encoder.

    Raises:
        DiarError: an encoder has no such part, or cannot be exported.
    """
    encoder = exportable(model.encoder, model.fbank.num_mel_bins)
    waveform = torch.randn(_BATCH, int(_SECONDS * model.fbank.sample_rate), generator=_seeded()) * 0.1
    front_end = product_front_end(model.fbank)
    fbank = front_end(waveform)
    masks = (torch.rand(_BATCH, _SPEAKERS, fbank.shape[1], generator=_seeded()) > 0.3).float()
    of_fbank = {"fbank": {0: "batch", 1: _FRAMES}}
    of_waveform = {"waveform": {0: "batch", 1: _SAMPLES}}
    of_masks = {"masks": {0: "batch", 1: "speakers", 2: _FRAMES}}
    of_embeddings = {"embeddings": {0: "batch", 1: "speakers"}}
    of_frames = {"frames": {0: "batch", 2: _TRUNK_FRAMES}}
    network: nn.Module
    if name == "waveform":
        network, example = Embeddings(encoder, front_end), {"waveform": waveform, "masks": masks}
        axes = of_waveform | of_masks | of_embeddings
    elif name == "fbank":
        network, example = Embeddings(encoder, None), {"fbank": fbank, "masks": masks}
        axes = of_fbank | of_masks | of_embeddings
    elif name == "trunk":
        network, example, axes = TrunkOfFbank(encoder), {"fbank": fbank}, of_fbank | of_frames
    elif name == "pooling":
        with torch.no_grad():
            frames = encoder.frames(cmn(fbank))
        network, example = Pooled(encoder), {"frames": frames, "masks": masks[..., :: encoder.frame_stride]}
        of_masks["masks"][2] = _TRUNK_FRAMES
        axes = of_frames | of_masks | of_embeddings
    else:
        raise DiarError(
            f"`part={name}`: an encoder has waveform, fbank, trunk and pooling; give one of these"
        )

    def lengths(samples: int) -> dict[str, int]:
        frames = model.fbank.num_frames(samples)
        return {_SAMPLES: samples, _FRAMES: frames, _TRUNK_FRAMES: encoder.num_frames(frames)}

    return Part(name, network.eval(), example, axes, lengths, front_end)


def segmentation_part(model: SegmentationModel, name: PartName) -> Part:
    """Return a part of a segmentation network.

    Raises:
        DiarError: a segmentation network has no such part, or cannot be exported.
    """
    network = model.network
    if not isinstance(network, PyanNet):
        raise ExportError(
            f"`model={model.name}`: only PyanNet is exported of segmentation networks, not "
            f"{type(network).__name__}; stage 1 runs it as it is"
        )
    waveform = torch.randn(_BATCH, int(_SECONDS * model.sample_rate), generator=_seeded()) * 0.1
    classes = {0: "batch", 1: _FRAMES}

    def lengths(samples: int) -> dict[str, int]:
        return {_SAMPLES: samples, _FRAMES: network.num_frames(samples)}

    if name == "waveform":
        axes = {"waveform": {0: "batch", 1: _SAMPLES}, "log_probs": classes, "speakers": classes}
        return Part(name, Segmentation(network).eval(), {"waveform": waveform}, axes, lengths)
    if name == "features":
        with torch.no_grad():
            features = network.sincnet(waveform.unsqueeze(1)).transpose(1, 2)
        axes = {"features": classes, "log_probs": classes}
        return Part(name, Classes(network).eval(), {"features": features}, axes, lengths)
    raise DiarError(f"`part={name}`: a segmentation network has waveform and features; give one of these")


def _seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)
