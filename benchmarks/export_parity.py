"""Exported files beside torch: one Markdown table of cosines, frames alike, sizes.

    python benchmarks/export_parity.py --audio FOLDER [--architectures CAMPPlus,ResNet34,…] [--opset 17]
    python benchmarks/export_parity.py --audio FOLDER --precisions fp16,int8,int8-static

FOLDER holds WAV files of speech at 16 kHz. Three batches of it, of 1, 2 and 7 pieces of lengths that are no
multiple of 200 frames, go through the `waveform` part in ONNX Runtime and through fbank, trunk and pooling of
torch in fp32, each with masks of three speakers. campplus-zh-en, segmentation-3.0 and segmentation-2022.07
have their weights, the other architectures random ones. Features are compared down to 70 dB
below the strongest of its frame. Ranges of int8-static are measured on FOLDER itself; segmentation networks
have no fp16. CPU: seconds of one core, the lesser of two runs.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import inspect
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile as sf
import torch

from diar.export.comparison import compare_encoder, compare_segmentation
from diar.export.graph.front_end import ProductFbank
from diar.export.graph.parts import Part, encoder_part, segmentation_part
from diar.export.metadata import encoder_metadata, segmentation_metadata
from diar.export.runtime import OnnxNetwork
from diar.export.targets.calibration import calibration_inputs
from diar.export.targets.onnx_file import DEFAULT_OPSET, write_onnx
from diar.export.targets.precision import convert
from diar.models.encoders.wespeaker import ARCHITECTURES, SpeakerModel
from diar.models.features import Fbank, FbankSettings
from diar.models.open import open_encoder, open_segmentation

RATE = 16_000
BATCHES = {1: 9.371, 2: 4.013, 7: 2.219}  # pieces → seconds of each
REAL = {"CAMPPlus": "campplus-zh-en"}
SEGMENTATION = ("segmentation-3.0", "segmentation-2022.07")
DEFAULT = [
    *("CAMPPlus", "ECAPA_TDNN_GLOB_c512", "ECAPA_TDNN_c1024", "ERes2Net34_Base", "SimAM_ResNet34_ASP"),
    *("ResNet18", "ResNet34", "ResNet50", "ResNet152", "ResNet221", "SimAM_ResNet100_ASP"),
]
BELOW = np.log(10.0**7)  # 70 dB, natural logarithm of energies


def main(arguments: list[str] | None = None) -> None:
    """Print the table line by line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--audio", type=Path, required=True)
    parser.add_argument("--architectures", default=",".join(DEFAULT))
    parser.add_argument("--precisions", default="fp32")
    parser.add_argument("--opset", type=int, default=DEFAULT_OPSET)
    options = parser.parse_args(arguments)
    waveforms = speech(options.audio)
    cases = [(waveform, masks_for(waveform)) for waveform in waveforms]
    print(f"Features: largest difference {fbank_difference(waveforms):.1e} (povey), ", end="")
    print(f"{fbank_difference(waveforms, 'hamming', 32768.0):.1e} (hamming)\n")
    print("| network | precision | weights | agreement | MB | nodes | export s | CPU s torch | onnxruntime |")
    print("|---|---|---|---|---|---|---|---|---|", flush=True)
    for name in SEGMENTATION:
        segmentation_rows(name, waveforms, options)
    for name in options.architectures.split(","):
        encoder_rows(name, cases, options)


def segmentation_rows(name: str, waveforms: list[np.ndarray], options: argparse.Namespace) -> None:
    """Export and compare a segmentation network."""
    model = open_segmentation(name)
    part, about = segmentation_part(model, "waveform"), segmentation_metadata(model)
    for precision in options.precisions.split(","):
        if precision == "fp16":
            continue
        with exported(part, about, precision, options) as (file, network, took):
            agreement = compare_segmentation(model, network, waveforms)
            seconds = cpu_seconds(
                lambda: [model.network(torch.from_numpy(waveform)) for waveform in waveforms],
                functools.partial(run_all, network, [{"waveform": waveform} for waveform in waveforms]),
            )
            row([name, precision, "its own", str(agreement)], file, took, seconds)


def encoder_rows(
    architecture: str, cases: list[tuple[np.ndarray, np.ndarray]], options: argparse.Namespace
) -> None:
    """Export and compare an encoder."""
    model = real_or_random(architecture)
    part, about = encoder_part(model, "waveform"), encoder_metadata(model)
    fbank, weights = model.fbank.front_end(), REAL.get(architecture, "random")
    for precision in options.precisions.split(","):
        with exported(part, about, precision, options) as (file, network, took):
            agreement = compare_encoder(model, network, cases)
            inputs = [{"waveform": waveform, "masks": masks} for waveform, masks in cases]
            seconds = cpu_seconds(
                lambda: [model.encoder(fbank(torch.from_numpy(waveform))) for waveform, _ in cases],
                functools.partial(run_all, network, inputs),
            )
            row([architecture, precision, weights, str(agreement)], file, took, seconds)


def run_all(network: OnnxNetwork, batches: list[dict[str, np.ndarray]]) -> None:
    """Run a file on all batches."""
    for batch in batches:
        network(batch)


@contextlib.contextmanager
def exported(
    part: Part, about: dict[str, str], precision: str, options: argparse.Namespace
) -> Iterator[tuple[Path, OnnxNetwork, float]]:
    """Give the file of a part in a precision, the network in it, and the CPU seconds that it took."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "network.onnx"
        ranges = calibration_inputs(part, options.audio, RATE) if precision == "int8-static" else ()
        began = time.process_time()
        write_onnx(part, file, about, options.opset)
        convert(file, precision, ranges)
        took = time.process_time() - began
        yield file, OnnxNetwork(file), took


def real_or_random(architecture: str) -> SpeakerModel:
    """Return an encoder with its weights where they are at hand, else with random ones."""
    if architecture in REAL:
        return open_encoder(REAL[architecture])
    torch.manual_seed(0)
    key = "acoustic_dim" if architecture.startswith("SimAM") else "feat_dim"
    usual = inspect.signature(ARCHITECTURES[architecture]).parameters[key].default
    mels = usual if isinstance(usual, int) else 80
    encoder = ARCHITECTURES[architecture](**{key: mels, "embed_dim": 256})
    for layer in encoder.modules():
        if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm):  # so that folding has something to fold
            assert layer.running_mean is not None and layer.running_var is not None
            layer.running_mean.normal_(0, 0.1)
            layer.running_var.uniform_(0.5, 1.5)
    encoder.eval().requires_grad_(False)
    return SpeakerModel(architecture, encoder, FbankSettings(num_mel_bins=mels), "0" * 64, architecture)


@torch.inference_mode()
def cpu_seconds(*functions) -> list[float]:
    """Return CPU seconds of each function, the lesser of two runs that take turns."""
    found = [[] for _ in functions]
    for _ in range(2):
        for function, seconds in zip(functions, found, strict=True):
            began = time.process_time()
            function()
            seconds.append(time.process_time() - began)
    return [min(seconds) for seconds in found]


def row(cells: list[str], file: Path, took: float, seconds: list[float]) -> None:
    """Print a line of the table."""
    import onnx

    nodes = len(onnx.load(str(file)).graph.node)
    size = file.stat().st_size / 1e6
    cells = [*cells, f"{size:.1f}", str(nodes), f"{took:.1f}"]
    print("| " + " | ".join(cells + [f"{value:.2f}" for value in seconds]) + " |", flush=True)


def speech(folder: Path) -> list[np.ndarray]:
    """Return batches (pieces, samples) of what the files hold, one piece a file in turn."""
    files = sorted(folder.glob("*.wav"))
    if not files:
        sys.exit(f"{folder} holds no WAV file")
    batches = []
    for number, (pieces, seconds) in enumerate(BATCHES.items()):
        length = int(seconds * RATE)
        chosen = [files[(number + piece) % len(files)] for piece in range(pieces)]
        loaded = [sf.read(file, frames=length, start=3 * RATE, dtype="float32")[0] for file in chosen]
        batches.append(np.stack(loaded))
    return batches


def masks_for(waveform: np.ndarray) -> np.ndarray:
    """Return (batch, 3, frames): all, a third, and intervals of half a second."""
    frames = 1 + (waveform.shape[1] - 400) // 160
    masks = np.ones((len(waveform), 3, frames), np.float32)
    masks[:, 1, frames // 3 :] = 0
    masks[:, 2] = np.arange(frames) // 50 % 2
    return masks


@torch.inference_mode()
def fbank_difference(waveforms: list[np.ndarray], window: str = "povey", scale: float = 1.0) -> float:
    """Return the largest difference of features that are not far below the strongest of their frame."""
    settings = FbankSettings(window_type=window, waveform_scale=scale)
    largest = 0.0
    for waveform in waveforms:
        expected = Fbank(settings)(torch.from_numpy(waveform))
        found = ProductFbank(settings)(torch.from_numpy(waveform))
        near = expected > expected.amax(dim=-1, keepdim=True) - BELOW
        largest = max(largest, float((found - expected).abs()[near].max()))
    return largest


if __name__ == "__main__":
    main()
