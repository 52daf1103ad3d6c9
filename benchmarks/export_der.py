"""DER of our own pipeline with exported files in the place of its networks, for export_precision.py."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

import diar
from diar.embedding.embedder import TrackEmbedder
from diar.export.backend import OtherTrunk
from diar.export.runtime import OnnxNetwork
from diar.formats.rttm import read_rttm
from diar.score.der import score_turns


def error_rate(audio: Path, encoder: diar.Encoder, segmentation: diar.Segmentation) -> float:
    """Return the DER in % over NAME.wav and NAME.rttm of a folder, without a collar."""
    reference, found = {}, {}
    for file in sorted(audio.glob("*.wav")):
        (reference[file.stem],) = read_rttm(file.with_suffix(".rttm")).values()
        found[file.stem] = diar.diarize(str(file), encoder=encoder, segmentation=segmentation).turns
    return 100 * (score_turns(reference, found).pooled.der or 0.0)


def with_trunk(name: str, file: Path | None) -> diar.Encoder:
    """Return an encoder in fp32, whose trunk is a file of `--part trunk`; None: torch's."""
    encoder = diar.open_encoder(name, device="cpu", precision="fp32")
    if file is None:
        return encoder
    network, model = OnnxNetwork(file), encoder._model

    def frames(fbank: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(network({"fbank": fbank.numpy()})[0])

    trunk = OtherTrunk(frames, model.encoder.frame_stride, str(file))
    settings, device = encoder._embedder.settings, torch.device("cpu")
    encoder._embedder = TrackEmbedder(model, None, settings, device, precision="fp32", trunk=trunk)
    return encoder


def with_segmentation(name: str, file: Path | None) -> diar.Segmentation:
    """Return segmentation whose first network is a file of `--part waveform`; None: torch's."""
    segmentation = diar.open_segmentation(name)
    if file is None:
        return segmentation
    network = OnnxNetwork(file)
    detector = segmentation.detector(torch.device("cpu"), "fp32")

    def log_probs(windows: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(network({"waveform": windows.numpy()})[0])

    detector._log_probs = lambda windows: (  # type: ignore[method-assign]
        log_probs(one) for one in windows.samples().flatten(0, 1).split(1)
    )
    detector._of_many_lengths = _in_turn(detector.network, log_probs)  # type: ignore[method-assign]
    return segmentation


def _in_turn(network: torch.nn.Module, log_probs: Callable[[torch.Tensor], torch.Tensor]):
    aligned = copy.copy(network).aligned

    def of_groups(groups: Sequence) -> list[torch.Tensor]:
        windows = [one for group in groups for one in group.samples().flatten(0, 1)]
        return [aligned(log_probs(one[None])).squeeze(0) for one in windows]

    return of_groups
