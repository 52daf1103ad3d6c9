"""The table `networks` of `gpu.py`: each part of a forward pass by itself."""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from gpu_rows import DEFAULT, Row, model_directory, speech
from sample_audio import RATE

from diar.embedding.networks import make_detector
from diar.embedding.settings import SpeechSettings
from diar.embedding.speech.seg_windows import window_frames
from diar.jobs.extract.resources import seconds_in
from diar.models.device import place
from diar.models.encoders.wespeaker import SpeakerModel, open_model_dir
from diar.models.features import cmn
from diar.models.inference import Trunk
from diar.models.open import open_segmentation
from diar.models.segmentation.base import SegmentationModel
from diar.models.segmentation.pyannet import PyanNet

if TYPE_CHECKING:
    from gpu import Report

_CHUNK = 32.0  # seconds
_LEAST_SECONDS = 20.0  # that a row may take
Network = Callable[[torch.Tensor], object]


@torch.inference_mode()
def network_rows(report: Report, options: argparse.Namespace, device: torch.device, work: Path) -> None:
    """Measure fbank, detector and segmentation model, then trunks in each precision."""
    torch.backends.cudnn.allow_tf32 = False
    seconds = 4.0 if options.small else _CHUNK
    samples = np.stack([speech(options.audio, seconds, number) for number in range(4)])
    sample = torch.from_numpy(samples).to(device)
    measured = _Measurement(report, seconds, device, options.small)
    segmentation = open_segmentation(options.segmentation)
    _speech_rows(measured, segmentation, sample, device)
    for name in options.models:
        model = open_model_dir(model_directory(name, options.model_dir, work))
        fbank = place(model.fbank.front_end(), device)
        if name == options.models[0]:
            measured.row("fbank", "fp32", fbank, sample)
        _trunk_rows(measured, model, name, cmn(fbank(sample)), options, device)


class _Measurement:
    """Times networks on batches of chunks, and adds a row for each."""

    def __init__(self, report: Report, seconds: float, device: torch.device, small: bool) -> None:
        self.report = report
        self._seconds, self._device, self._small = seconds, device, small

    def row(self, network: str, precision: str, run: Network, sample: torch.Tensor, **more: Any) -> None:
        if self.report.seconds_left < _LEAST_SECONDS and not self._small:
            self.report.leave_out(f"{network} in {precision}")
            return
        speed, peak, batch = time_batch(run, sample, self._seconds, self._device, self._small)
        row: Row = {"part": network, "precision": precision, "× real time": speed, "chunks": batch,
                    "peak GB": peak, "cosine to fp32": "", "mean difference": ""}  # fmt: skip
        self.report.add("networks", {**row, **more})


def _speech_rows(
    measured: _Measurement, model: SegmentationModel, sample: torch.Tensor, device: torch.device
) -> None:
    """Measure the segmentation model and the whole detector, on a GPU also with the LSTM in fp16."""
    size = min(10 * RATE, sample.shape[1])
    reference: torch.Tensor | None = None
    for precision in ("fp32", "fp16") if device.type == "cuda" else ("fp32",):
        own = copy.deepcopy(model)
        detector = make_detector(own, None, SpeechSettings(speech="segmentation"), device, precision)
        network: PyanNet = detector.network
        starts = window_frames(sample.shape[1], size, detector.step, 1).tolist()

        def segment(
            batch: torch.Tensor, network: PyanNet = network, starts: list[int] = starts
        ) -> torch.Tensor:
            return network(torch.cat([batch[:, start : start + size] for start in starts]))

        found = segment(sample).exp()
        reference = found if reference is None else reference
        more = {"mean difference": f"{float((found - reference).abs().mean()):.1e}"}
        name = "segmentation, LSTM" if precision == "fp16" else "segmentation"
        measured.row(name, precision, segment, sample, **more)
        measured.row("detector", precision, detector.start, sample)


def _trunk_rows(
    measured: _Measurement,
    model: SpeakerModel,
    name: str,
    features: torch.Tensor,
    options: argparse.Namespace,
    device: torch.device,
) -> None:
    reference = None
    ways = [(precision, False) for precision in options.precisions]
    if options.compiled and name == DEFAULT:
        ways.append((ways[-1][0], True))
    for precision, compiled in ways:
        encoder = copy.deepcopy(model.encoder)
        trunk = place(Trunk(encoder, features.shape[-1], precision), device)
        pooling = place(encoder, device)
        if compiled:
            trunk.compile()
        found = _whole_embeddings(trunk, pooling, features)
        reference = found if reference is None else reference
        cosine = float(F.cosine_similarity(found, reference, dim=-1).min())
        part = f"trunk {name}" + ", compiled" * compiled
        measured.row(part, precision, trunk, features, **{"cosine to fp32": round(cosine, 5)})


def _whole_embeddings(trunk: Trunk, pooling: Any, features: torch.Tensor) -> torch.Tensor:
    """Return (batch, D) embeddings of all frames of each chunk."""
    frames = trunk(features)
    embeddings: torch.Tensor = pooling.pool(frames, torch.ones_like(frames[:, :1]))[:, 0]
    return embeddings


def time_batch(
    network: Callable[[torch.Tensor], object],
    sample: torch.Tensor,
    seconds: float,
    device: torch.device,
    small: bool,
) -> tuple[int, float, int]:
    """Return × real time, peak GB, and the batch: as many as 6 GB hold on a GPU, two on a CPU."""
    one, batch = sample[:1], 2
    if device.type == "cuda":
        network(one)
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        network(one)
        free, _ = torch.cuda.mem_get_info()
        taken = max(1, torch.cuda.max_memory_allocated() - before)
        batch = max(1, round(seconds_in(free, taken, seconds, 1) / seconds))
        torch.cuda.reset_peak_memory_stats()
    many = sample.repeat(-(-batch // len(sample)), *[1] * (sample.dim() - 1))[:batch]
    times = []
    for _ in range(2 if small else 8):
        start = time.perf_counter()
        network(many)
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    peak = torch.cuda.max_memory_allocated() / 1e9 if device.type == "cuda" else 0.0
    return round(batch * seconds / statistics.median(times[1:])), round(peak, 2), batch
