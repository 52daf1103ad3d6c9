"""Our encoders beside the public code that they follow, on the same random weights: a Markdown table.

    python benchmarks/encoder_parity.py --wespeaker WESPEAKER --speakerlab 3D-SPEAKER [--only ReDimNetB2 …]
    python benchmarks/encoder_parity.py --wespeaker WESPEAKER --tfmel AUDIO [--files 40]

WESPEAKER and 3D-SPEAKER are checkouts of github.com/wenet-e2e/wespeaker and github.com/modelscope/3D-Speaker.
Compared are names and shapes of the state dicts, in order, and the embeddings of two lengths of random
features. W2VBert_Adapter_MFA is compared from samples on, at tiny sizes and at those that WeSpeaker
publishes; besides WeSpeaker that needs the packages transformers and peft. `--speed 30`: also seconds of
audio for each CPU second of the trunk, in fp32 and in the precision that stage 1 chooses, on a chunk of 30 s.
Exits with 1 where names or shapes differ, or an embedding by more than 1e-4 of its length.

`--tfmel`: WeSpeaker's `tfmel` front end on a folder's FLAC files at 16 kHz instead, and ReDimNet2 from
samples to embeddings behind it. A file's end is left out so that its frames are a multiple of 4. Exits with 1
where features differ by more than 1e-4, or a cosine is below 0.99999.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import inspect
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import soundfile as sf
import torch
import yaml
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from diar.models.encoders.base import SpeakerEncoder
from diar.models.encoders.w2vbert.settings import MELS
from diar.models.encoders.wespeaker import ARCHITECTURES, open_model_dir
from diar.models.features import cmn
from diar.models.inference import Precision, Trunk, best_precision
from diar.models.tfmel import TfMelSettings
from tests.models.encoders.w2vbert import cases as tiny
from tests.models.encoders.w2vbert import oracle

LENGTHS = (40, 76)  # fbank frames, multiples of 4: ReDimNet2 drops what is over
MOST, LEAST_COSINE = 1e-4, 0.99999
TFMEL: dict[str, Any] = {  # tfmel_args of WeSpeaker's redimnet2_lm.yaml
    **{"n_mels": 72, "hop_length": 160, "win_length": 400, "n_fft": 512, "f_min": 20, "f_max": 7600},
    **{"do_preemph": True, "norm_signal": True, "do_spec_aug": False, "eps": 1.0e-8},
}
_80, _72 = {"feat_dim": 80}, {"feat_dim": 72}
# label → module of the public code, our architecture, its model_args where they are not the defaults
CASES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "CAMPPlus": ("wespeaker.models.campplus", "CAMPPlus", {**_80, "embed_dim": 192}),
    "ResNet293": ("wespeaker.models.resnet", "ResNet293", {**_80, "embed_dim": 256}),
    "ERes2Net34_Base": ("wespeaker.models.eres2net", "ERes2Net34_Base", {**_80, "embed_dim": 192}),
    "ERes2Net34_Large": ("wespeaker.models.eres2net", "ERes2Net34_Large", {**_80, "embed_dim": 192}),
    "ERes2Net34_aug": ("wespeaker.models.eres2net", "ERes2Net34_aug", {**_80, "embed_dim": 192}),
    "ERes2NetV2": ("speakerlab.models.eres2net.ERes2NetV2", "ERes2NetV2", {}),
    "ERes2NetV2 w24s4ep4": (
        "speakerlab.models.eres2net.ERes2NetV2",
        "ERes2NetV2",
        {"baseWidth": 24, "scale": 4, "expansion": 4},
    ),
    **{f"ReDimNet2B{size}": ("wespeaker.models.redimnet2", f"ReDimNet2B{size}", _72) for size in range(7)},
    **{f"ReDimNetB{size}": ("wespeaker.models.redimnet", f"ReDimNetB{size}", {}) for size in range(7)},
}

PUBLISHED = "w2vbert-published"  # w2v-BERT 2.0's own sizes, as in WeSpeaker's w2vbert_s3_lmft.yaml
W2VBERT = (*tiny.CASES, PUBLISHED)
SAMPLES = (16000, 24240)  # of a second, and of an odd number of frames


def main() -> None:
    """Print a row for each case."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--wespeaker", type=Path, required=True)
    parser.add_argument("--speakerlab", type=Path)
    parser.add_argument("--tfmel", type=Path, metavar="AUDIO", help="compare this front end, on these files")
    parser.add_argument("--files", type=int, default=40)
    parser.add_argument("--speed", type=int, default=0, metavar="SECONDS", help="of a chunk; 0: no speed")
    parser.add_argument("--only", nargs="+", default=[*CASES, *W2VBERT], choices=[*CASES, *W2VBERT])
    options = parser.parse_args()
    find_package("wespeaker", options.wespeaker)
    find_package("wespeaker.frontend", options.wespeaker)
    if options.tfmel is not None:
        files = sorted(options.tfmel.rglob("*.flac"))[: options.files]
        sys.exit(0 if files and front_end(files) else 1)
    if options.speakerlab is None:
        parser.error("give --speakerlab, or --tfmel")
    find_package("speakerlab", options.speakerlab)
    os.environ["DIAR_WESPEAKER"] = str(options.wespeaker)
    best = best_precision(torch.device("cpu"))
    columns = ["encoder", "million weights", "names and shapes", "largest error", "smallest cosine"]
    columns += ["× real time fp32", f"× real time {best}", "cosine of the two"]
    print(f"{torch.get_num_threads()} threads\n\n| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
    good = [
        (w2vbert_row if label in W2VBERT else row)(label, options.speed * 100, best) for label in options.only
    ]
    sys.exit(0 if all(good) else 1)


def find_package(package: str, folder: Path) -> None:
    """Let a package be imported from a checkout, without what its own `__init__` imports besides."""
    module = ModuleType(package)
    module.__path__ = [str(folder / package.replace(".", "/"))]
    sys.modules[package] = module


@torch.inference_mode()
def row(label: str, chunk_frames: int, best: Precision) -> bool:
    """Print one row, and tell whether it is good."""
    module, architecture, model_args = CASES[label]
    with contextlib.redirect_stdout(sys.stderr):  # some of it prints
        public = getattr(importlib.import_module(module), architecture)(**as_public(module, model_args))
    fill(public.eval())
    ours = ARCHITECTURES[architecture](**model_args).eval()
    same = shapes(ours.state_dict()) == shapes(public.state_dict())
    ours.load_state_dict(public.state_dict())
    parameters = inspect.signature(ARCHITECTURES[architecture]).parameters
    mels = model_args.get("feat_dim", parameters["feat_dim"].default)
    error, cosine = compare(ours, transposed(public) if "redimnet2" in module else public, mels)
    measured = speed(ours, mels, chunk_frames, best) if chunk_frames else ["", "", ""]
    return tell(label, ours, same, error, cosine, measured)


def tell(
    label: str, ours: SpeakerEncoder, same: bool, error: float, cosine: float, measured: list[str]
) -> bool:
    """Print a row, and tell whether it is good."""
    million = sum(parameter.numel() for parameter in ours.parameters()) / 1e6
    cells = [f"{million:.1f}", "the same" if same else "differ", f"{error:.1e}", f"{cosine:.7f}"]
    print(f"| {' | '.join([label, *cells, *measured])} |", flush=True)
    return same and error <= MOST


@torch.inference_mode()
def front_end(files: list[Path]) -> bool:
    """Print a row for the features and one for each size of ReDimNet2, and tell whether all are good."""
    module = importlib.import_module("wespeaker.frontend.tfmel")
    public = module.TFMelFrontend(**TFMEL, sample_rate=16000).eval()
    ours = TfMelSettings(num_mel_bins=TFMEL["n_mels"], norm_signal=True).front_end()
    errors: list[float] = []
    cosines: dict[str, list[float]] = {label: [] for label in ("ReDimNet2B0", "ReDimNet2B6")}
    networks = {label: _both(label) for label in cosines}
    for file in files:
        samples = torch.from_numpy(sf.read(file, dtype="float32")[0])[None]
        frames = ours.settings.num_frames(samples.shape[1]) // 4 * 4
        samples = samples[:, : (frames - 1) * ours.settings.frame_shift + ours.settings.least_samples + 77]
        features = public(samples)[0]
        found = cmn(ours(samples))
        errors.append(float((found - features.transpose(1, 2)).abs().max()))
        for label, (own, other) in networks.items():
            pair = own(found).double(), other(features).double()
            cosines[label].append(float(torch.cosine_similarity(*pair).min()))
    print(f"{len(files)} files: features differ by {max(errors):.1e} at most\n")
    print("| encoder | smallest cosine |\n|---|---|")
    for label, of_label in cosines.items():
        print(f"| {label} | {min(of_label):.8f} |", flush=True)
    return max(errors) <= MOST and min(map(min, cosines.values())) >= LEAST_COSINE


def _both(label: str) -> tuple[nn.Module, nn.Module]:
    """Return our encoder and the public one with the same random weights."""
    module, architecture, model_args = CASES[label]
    public = getattr(importlib.import_module(module), architecture)(**model_args).eval()
    fill(public)
    ours = ARCHITECTURES[architecture](**model_args).eval()
    ours.load_state_dict(public.state_dict())
    return ours, public


@torch.inference_mode()
def w2vbert_row(label: str, chunk_frames: int, best: Precision) -> bool:
    """Print a row for a W2VBert_Adapter_MFA, opened from a model directory; tell whether it is good."""
    with tempfile.TemporaryDirectory() as place:
        folder, config = Path(place), tiny.config_of("w2vbert" if label == PUBLISHED else label)
        sizes = {} if label == PUBLISHED else {**tiny.SIZES, **tiny.CASES[label][1]}
        if label == PUBLISHED:
            config["model_args"] = {"feat_dim": 1024}
            del config["dataset_args"]["w2vbert_args"]["model_config_file"]
        else:
            tiny.write(folder, label)
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
        oracle.write_pretrained(folder / "pretrained", sizes)
        public = oracle.network(config, folder / "pretrained")
        fill(public)
        torch.save(public.state_dict(), folder / "avg_model.pt")
        same = dict(shapes(public.state_dict())) == dict(shapes(tiny.expected(folder, config)))
        model = open_model_dir(folder)
    front_end, errors, cosines = model.fbank.front_end(), [], []
    for samples in SAMPLES:
        waveform = 0.1 * torch.randn(1, samples, generator=torch.Generator().manual_seed(samples))
        found = model.encoder(cmn(front_end(waveform)))
        error, cosine = distance(found, oracle.embeddings(public, waveform))
        errors.append(error)
        cosines.append(cosine)
    del public
    measured = speed(model.encoder, MELS, chunk_frames, best) if chunk_frames else ["", "", ""]
    return tell(label, model.encoder, same, max(errors), min(cosines), measured)


def transposed(network: nn.Module) -> Callable[[Tensor], Tensor]:
    """Return a network that is given (batch, frames, mels) and sees (batch, mels, frames)."""
    return lambda fbank: network(fbank.transpose(1, 2))


def as_public(module: str, model_args: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments as the public code names them."""
    names = {"embed_dim": "embedding_size"} if module.startswith("speakerlab") else {}
    return {names.get(name, name): value for name, value in model_args.items()}


def shapes(state: Mapping[str, Tensor]) -> list[tuple[str, torch.Size]]:
    """Return names and shapes of a state dict."""
    return [(name, tensor.shape) for name, tensor in state.items()]


def fill(module: nn.Module) -> None:
    """Set parameters and statistics to random values that keep sums of many residual blocks in range."""
    generator = torch.Generator().manual_seed(0)
    for name, tensor in module.state_dict().items():
        noise = torch.randn(tensor.shape, generator=generator)
        if name.endswith("running_var"):
            tensor.copy_(0.5 + noise.abs())
        elif name.endswith(("running_mean", "bias")):
            tensor.copy_(0.1 * noise)
        elif tensor.ndim > 1:
            tensor.copy_(noise * (1.5 / max(1, tensor[0].numel())) ** 0.5)
        elif tensor.ndim == 1:
            tensor.copy_(0.3 + 0.1 * noise)


def compare(ours: SpeakerEncoder, public: Callable[[Tensor], Any], mels: int) -> tuple[float, float]:
    """Return the largest error, as a share of an embedding's length, and the smallest cosine."""
    errors, cosines = [], []
    for frames in LENGTHS:
        fbank = torch.randn(1, frames, mels, generator=torch.Generator().manual_seed(frames))
        output = public(fbank)
        expected = output[-1] if isinstance(output, tuple) else output
        error, cosine = distance(ours(fbank), expected)
        errors.append(error)
        cosines.append(cosine)
    return max(errors), min(cosines)


def distance(found: Tensor, expected: Tensor) -> tuple[float, float]:
    """Return the largest error of embeddings, as a share of their length, and the smallest cosine."""
    error = ((found - expected).norm(dim=1) / expected.norm(dim=1)).max()
    return float(error), float(torch.cosine_similarity(found.double(), expected.double()).min())


def speed(encoder: SpeakerEncoder, mels: int, chunk_frames: int, best: Precision) -> list[str]:
    """Return × real time in fp32 and in `best`, and the cosine of the two embeddings."""
    fbank = torch.randn(1, chunk_frames, mels, generator=torch.Generator().manual_seed(1))
    speeds, embeddings = [], []
    for precision in ("fp32", best):
        trunk = Trunk(encoder, mels, precision).eval()
        trunk(fbank)
        began = time.process_time()
        frames = trunk(fbank)
        speeds.append(f"{chunk_frames / 100 / (time.process_time() - began):.1f}")
        embeddings.append(encoder.pool(frames, torch.ones_like(frames[:, :1])).flatten())
    return [*speeds, f"{float(torch.cosine_similarity(*embeddings, dim=0)):.5f}"]


if __name__ == "__main__":
    main()
