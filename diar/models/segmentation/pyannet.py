"""Local speaker segmentation: who of at most three local speakers speaks in each frame of a seg_window.

The network is PyanNet: learned band-pass filters on the waveform (SincNet), four bidirectional LSTM layers,
two linear layers, and as output powerset classes of the local speakers (`segmentation-3.0`) or each of them
by itself (`segmentation-2022.07`). Parameters have their published names.

H. Bredin, "pyannote.audio 2.1 speaker diarization pipeline: principle, benchmark, and recipe", Interspeech
2023.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diar.errors import explain
from diar.models.encoders.base import ModelError
from diar.models.segmentation.base import (
    SAMPLE_RATE,
    FrameGeometry,
    SegmentationModel,
    SegmentationNetwork,
    SegmentationSettings,
)
from diar.models.segmentation.bf16 import Bf16LSTM
from diar.models.segmentation.overlapping import features_of_windows
from diar.models.segmentation.sincnet import SincNet
from diar.models.weights.checkpoint import load_strictly, read_state_dict
from diar.models.weights.checksum import file_sha256
from diar.models.weights.empty import WithoutInitialValues
from diar.texts import read_yaml

CONFIG_FILE = "config.yaml"
_LARGEST_LEAD = 0.2  # seconds
_LSTM_BATCH = 8  # in fp16 on a GPU, LSTMs are slow on an odd number of seg_windows
WEIGHTS_FILES = ("segmentation.pt", "pytorch_model.bin")  # the first that a model directory has


@dataclass(frozen=True)
class PyanNetSettings(SegmentationSettings):
    """Sizes of the network and of what it was trained on; the defaults are those of segmentation-3.0."""

    sinc_stride: int = 10  # samples
    lstm_size: int = 128
    lstm_layers: int = 4
    linear_size: int = 128
    linear_layers: int = 2


class PyanNet(SegmentationNetwork):
    """PyanNet; see `SegmentationNetwork`."""

    def __init__(self, settings: PyanNetSettings | None = None) -> None:
        settings = settings or PyanNetSettings()
        super().__init__(settings, FrameGeometry(*SincNet.receptive_field(settings.sinc_stride)))
        self.sincnet = SincNet(settings.sinc_stride)
        self.lstm = nn.LSTM(
            SincNet.num_features,
            settings.lstm_size,
            settings.lstm_layers,
            batch_first=True,
            bidirectional=True,
        )
        sizes = [2 * settings.lstm_size] + [settings.linear_size] * settings.linear_layers
        self.linear = nn.ModuleList([nn.Linear(a, b) for a, b in pairwise(sizes)])
        self.classifier = nn.Linear(sizes[-1], self.powerset.num_classes)

    @property
    def min_samples(self) -> int:
        """Samples of the shortest seg_window: two frames, since features are normalised over its frames."""
        return self.frames.size + self.frames.step

    def forward(self, waveform: Tensor) -> Tensor:
        """(batch, samples) → (batch, frames, classes).

        Waveform and features are normalised over each seg_window. Zeros at its end change the result; others
        of the batch do not.

        Raises:
            ValueError: another shape, or fewer than `min_samples`.
        """
        self.check_waveform(waveform)
        return self.classify(self.sincnet(waveform.unsqueeze(1)).transpose(1, 2))

    def of_windows(self, chunks: Tensor, starts: Sequence[int], size: int) -> Tensor:
        """Compute `forward` of overlapping seg_windows of chunks, (batch · windows, frames, classes), faster.

        Args:
            chunks: (batch, samples).
            starts: of the seg_windows, in samples; multiples of the frame step.
            size: samples of a seg_window.
        """
        return self.classify(self.features_of_windows(chunks, starts, size))

    def features_of_windows(self, chunks: Tensor, starts: Sequence[int], size: int) -> Tensor:
        """Return SincNet's features (batch · windows, frames, features) of what `of_windows` takes."""
        return features_of_windows(self.sincnet, chunks, starts, size)

    def classify(self, features: Tensor) -> Tensor:
        """SincNet's features (batch, frames, features) → log-probabilities (batch, frames, classes)."""
        features = features.to(next(self.lstm.parameters()).dtype)
        batch = len(features)
        if features.is_cuda and features.dtype == torch.float16:
            features = F.pad(features, (0, 0, 0, 0, 0, -batch % _LSTM_BATCH))
        return self.output(self.lstm(features)[0][:batch])

    def output(self, hidden: Tensor) -> Tensor:
        """What the LSTM returns, (batch, frames, hidden) → log-probabilities (batch, frames, classes)."""
        hidden = hidden.to(self.classifier.weight.dtype)
        for linear in self.linear:
            hidden = F.leaky_relu(linear(hidden))
        return self.powerset.log_probs(self.classifier(hidden))

    def use_half(self) -> None:
        """Compute the LSTM in fp16 from now on: the network is 1.8 times as fast on an H200 (decision 061).

        Probabilities change by 0.0001 in the mean; bf16 rounds eight times as coarsely.
        """
        self.lstm.half()

    def in_bf16(self) -> PyanNet:
        """Return a copy with LSTM and convolutions in bf16, but for the filters, for CPUs that have it.

        Sums, cells and norms are fp32 (decision 069).
        """
        network = copy.deepcopy(self)
        network.lstm = Bf16LSTM(network.lstm)
        network.sincnet.conv1d[1:].bfloat16()
        return network


def open_segmentation_dir(path: Path, name: str | None = None) -> SegmentationModel:
    """Read a model directory: `config.yaml`, and `segmentation.pt` or else `pytorch_model.bin`.

    `name` is the directory's own where not given. Nothing in the files is executed.

    Raises:
        ModelError: a file is missing, unreadable or not what it should be.
    """
    path = Path(path)
    config_file = path / CONFIG_FILE
    weights_file = next((path / file for file in WEIGHTS_FILES if (path / file).is_file()), None)
    if weights_file is None or not config_file.is_file():
        raise ModelError(
            f"{path} is no segmentation model directory; "
            f"it needs {CONFIG_FILE} and {' or '.join(WEIGHTS_FILES)}"
        )
    settings = read_settings(config_file)
    try:
        with WithoutInitialValues():
            network = PyanNet(settings)
    except (ValueError, RuntimeError, ZeroDivisionError) as error:
        raise ModelError(f"{config_file}: no network can be built from {settings}: {error}") from error
    remedy = f"Take {CONFIG_FILE} and weights from the same model"
    load_strictly(network, read_state_dict(weights_file), weights_file, remedy)
    network.eval().requires_grad_(False)
    return SegmentationModel(name or path.resolve().name, network, settings, file_sha256(weights_file))


def read_settings(file: Path) -> PyanNetSettings:
    """Read `task` and `model` of pyannote's `config.yaml`, and `lead_seconds` if it is there.

    Raises:
        ModelError: unreadable, incomplete, or a network that is not supported.
    """
    config = _parsed(file)
    try:
        task, model = config["task"], config["model"]
        sincnet, lstm, linear = model["sincnet"], model["lstm"], model["linear"]
        settings = PyanNetSettings(
            seg_window_seconds=float(task["duration"]),
            num_local_speakers=int(task["max_speakers_per_chunk"]),
            max_simultaneous=_int_or_none(task.get("max_speakers_per_frame")),
            sinc_stride=int(sincnet["stride"]),
            lstm_size=int(lstm["hidden_size"]),
            lstm_layers=int(lstm["num_layers"]),
            linear_size=int(linear["hidden_size"]),
            linear_layers=int(linear["num_layers"]),
            lead_seconds=_pair(config.get("lead_seconds", PyanNetSettings.lead_seconds)),
        )
        supported: dict[str, tuple[Any, Any]] = {
            "sample_rate": (model["sample_rate"], SAMPLE_RATE),
            "num_channels": (model.get("num_channels", 1), 1),
            "lstm.bidirectional": (lstm.get("bidirectional", True), True),
            "lstm.monolithic": (lstm.get("monolithic", True), True),
        }
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ModelError(f"{file} describes no PyanNet segmentation model: {error!r}") from error
    for key, (found, expected) in supported.items():
        if found != expected:
            raise ModelError(f"{file}: {key} is {found!r}, only {expected!r} is supported")
    return settings


def _parsed(file: Path) -> Any:
    try:
        return read_yaml(file)
    except (OSError, ValueError) as error:
        raise ModelError(f"{file} cannot be read as YAML: {explain(error)}") from None


def _int_or_none(value: Any) -> int | None:
    return None if value is None else int(value)


def _pair(values: Any) -> tuple[float, float]:
    first, last = map(float, values)
    if not max(abs(first), abs(last)) <= _LARGEST_LEAD:
        raise ValueError(f"lead_seconds are {first:g} and {last:g}, at most {_LARGEST_LEAD:g} is plausible")
    return first, last
