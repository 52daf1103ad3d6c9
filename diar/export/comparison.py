"""How far an exported file is from the network that it was made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from diar.export.errors import ExportError
from diar.models.encoders.wespeaker import SpeakerModel
from diar.models.features import cmn
from diar.models.segmentation.base import SegmentationModel

Network = Callable[[Mapping[str, np.ndarray]], list[np.ndarray]]  # a file, opened: inputs by name → outputs

LEAST_COSINE = 0.99999  # of an embedding to torch's, in fp32
LEAST_SAME = 0.9999  # share of frames with the same speakers, in fp32


@dataclass(frozen=True)
class Agreement:
    """Embeddings or frames that were compared.

    Attributes:
        value: the smallest cosine, or the share of frames with the same speakers.
        least: what it must be in fp32.
        compared: embeddings, or frames.
    """

    value: float
    least: float
    compared: int

    def __str__(self) -> str:
        if self.least == LEAST_COSINE:
            return f"cosine {self.value:.7f} at least, {self.compared} embeddings"
        return f"{100 * self.value:.3f} % of {self.compared} frames alike"

    def check(self, precision: str) -> None:
        """Raise ExportError where it is less than it must be in fp32, or no number."""
        if np.isnan(self.value):
            raise ExportError(f"in {precision} the file gives values that are not finite on noise: {self}")
        if precision == "fp32" and not self.value >= self.least:
            raise ExportError(f"the file differs from the network: {self}, {self.least} is asked for")


def compare_encoder(
    model: SpeakerModel, network: Network, cases: list[tuple[np.ndarray, np.ndarray]]
) -> Agreement:
    """Compare the `waveform` part with fbank, trunk and pooling of torch.

    Args:
        model: the encoder.
        network: its file.
        cases: waveforms (batch, samples) and masks (batch, speakers, frames).
    """
    fbank, cosines = model.fbank.front_end(), []
    for waveform, masks in cases:
        with torch.inference_mode():
            frames = model.encoder.frames(cmn(fbank(torch.from_numpy(waveform))))
            chosen = torch.from_numpy(masks[..., :: model.encoder.frame_stride])
            expected = model.encoder.pool(frames, chosen).double().numpy()
        (found,) = network({"waveform": waveform, "masks": masks})
        cosines.append(_cosines(found.astype(np.float64), expected).reshape(-1))
    every = np.concatenate(cosines)
    return Agreement(float(every.min()), LEAST_COSINE, len(every))


def compare_segmentation(
    model: SegmentationModel, network: Network, waveforms: list[np.ndarray]
) -> Agreement:
    """Compare who speaks in each frame of (batch, samples) by the `waveform` part with torch's."""
    same: list[np.ndarray] = []
    for waveform in waveforms:
        with torch.inference_mode():
            aligned = model.network.aligned(model.network(torch.from_numpy(waveform)))
            expected = model.network.powerset.hard(aligned).numpy()
        _, speakers = network({"waveform": waveform})
        same.append(((speakers > 0.5) == expected).all(axis=-1).reshape(-1))
    every = np.concatenate(same)
    return Agreement(float(every.mean()), LEAST_SAME, len(every))


def made_up_cases(sample_rate: int, lengths: Mapping[int, float]) -> list[np.ndarray]:
    """Return waveforms (batch, samples) for batch → seconds: bursts of noise, as no file is at hand."""
    rng, made = np.random.default_rng(1), []
    for batch, seconds in lengths.items():
        noise = rng.standard_normal((batch, int(seconds * sample_rate)))
        loudness = np.abs(np.sin(np.arange(noise.shape[1]) / sample_rate * 3))
        made.append((0.1 * noise * loudness).astype(np.float32))
    return made


def _cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.asarray((a * b).sum(-1) / (np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)))
