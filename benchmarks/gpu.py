"""What only a GPU can show: tables, and one JSON file.

    python benchmarks/gpu.py --json gpu.json
    python benchmarks/gpu.py --hours 200 --shared ../shared --models campplus ResNet293
    python benchmarks/gpu.py --device cpu --small          # the same code, some seconds on a laptop

1. Networks: the segmentation model, and each encoder in each precision (the default one with its weights, the
   others with random ones): × real time of the trunk with the batch that 6 GB hold, cosine of its embeddings
   to fp32, peak memory. Some encoders also run through torch.compile in the last precision.
2. Stage 1 by the real command, from WAV, FLAC and MP3: × real time, seconds by step, busy share, peak memory.
3. With --shared: DER of the default encoder on the simulated conversations in each precision.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
import yaml
from running import ROOT, call, error_rate
from sample_audio import RATE, SUFFIXES, speech_like, write_archive

from diar.jobs.extract.resources import seconds_in
from diar.models.defaults import DEFAULT_ENCODER
from diar.models.device import place
from diar.models.encoders.wespeaker import ARCHITECTURES, open_model_dir
from diar.models.features import Fbank, cmn
from diar.models.inference import Precision, Trunk
from diar.models.segmentation.pyannet import open_segmentation_dir
from diar.models.weights import hub

DEFAULT = "campplus"
PRECISIONS: dict[str, tuple[Precision, ...]] = {
    "cuda": ("fp32", "tf32", "mixed", "bf16", "fp16"),
    "cpu": ("fp32", "mixed", "bf16"),
}
CHUNK = 32.0  # seconds
Row = dict[str, Any]


def main() -> None:
    """Print the tables."""
    options = parse()
    device = torch.device(options.device)
    torch.backends.cudnn.allow_tf32 = False
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    print(f"{name}, torch {torch.__version__}, {time.strftime('%Y-%m-%d')}\n")
    figures: dict[str, Any] = {"device": name, "torch": torch.__version__}
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        models = {model: model_directory(model, options.model_dir, work) for model in options.models}
        figures["networks"] = network_rows(models, options, device)
        print_table(figures["networks"])
        figures["stage 1"] = stage_rows(models, options, device, work)
        print_table(figures["stage 1"])
        if options.shared is not None:
            figures["DER"] = error_rows(models[DEFAULT], options, device, work)
            print_table(figures["DER"])
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument(
        "--models", nargs="+", default=[DEFAULT, "ResNet34", "ResNet293", "SimAM_ResNet100_ASP"]
    )
    parser.add_argument("--compiled", nargs="*", help=f"models to compile, too; default on a GPU: {DEFAULT}")
    parser.add_argument("--model_dir", type=Path, help=f"of {DEFAULT}; default: the named weights")
    parser.add_argument("--segmentation", default="segmentation-3.0", help="named weights or directory")
    parser.add_argument("--precisions", nargs="+", help="default: all that the device has")
    parser.add_argument("--kinds", nargs="+", choices=SUFFIXES, default=list(SUFFIXES))
    parser.add_argument("--hours", type=float, default=100.0, help="of audio for stage 1 from each kind")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 4], help="processes on the one GPU")
    parser.add_argument("--shared", type=Path, help="the folder with labelled speech")
    parser.add_argument("--small", action="store_true", help="little audio: to see that it runs")
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    options = parser.parse_args()
    options.precisions = options.precisions or PRECISIONS[options.device]
    if options.compiled is None:
        options.compiled = [DEFAULT] if options.device == "cuda" else []
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("no usable GPU; --device cpu --small shows that everything runs")
    return options


def model_directory(name: str, given: Path | None, work: Path) -> Path:
    """Return a model directory: the default encoder's, or an architecture with random weights."""
    if name == DEFAULT:
        return given or hub.resolve(DEFAULT_ENCODER)
    arguments: dict[str, Any] = {"embed_dim": 256}
    if not name.startswith("SimAM"):
        arguments["feat_dim"] = 80
    folder = work / name
    folder.mkdir()
    torch.manual_seed(0)
    torch.save(ARCHITECTURES[name](**arguments).state_dict(), folder / "avg_model.pt")
    front_end = {"resample_rate": RATE, "fbank_args": {"num_mel_bins": 80}}
    content = {"model": name, "model_args": arguments, "dataset_args": front_end}
    (folder / "config.yaml").write_text(yaml.safe_dump(content))
    return folder


@torch.inference_mode()
def network_rows(models: dict[str, Path], options: argparse.Namespace, device: torch.device) -> list[Row]:
    """Measure trunks in each precision, and the segmentation model."""
    seconds = 4.0 if options.small else CHUNK
    sample = torch.from_numpy(np.stack([speech_like(seconds, seed) for seed in range(4)])).to(device)
    rows = []
    for name, folder in models.items():
        model = open_model_dir(folder)
        encoder = model.encoder
        features = cmn(place(Fbank(model.fbank), device)(sample))
        reference = None
        ways = [(precision, False) for precision in options.precisions]
        for precision, compiled in [*ways, *[(ways[-1][0], True)] * (name in options.compiled)]:
            trunk = place(Trunk(encoder, features.shape[-1], precision), device)
            if compiled:
                trunk.compile()
            pooling = place(encoder, device)
            found = whole_embeddings(trunk, pooling, features)
            reference = found if reference is None else reference
            cosine = float(F.cosine_similarity(found, reference, dim=-1).min())
            speed, peak, batch = time_batch(trunk, features[:1], seconds, device, options.small)
            rows.append({"network": name, "precision": precision, "compiled": compiled,
                         "× real time": speed, "chunks": batch, "peak GB": peak,
                         "cosine to fp32": round(cosine, 5)})  # fmt: skip
            encoder = encoder.cpu()
    segmentation = place(open_segmentation_dir(hub.resolve(options.segmentation)).network, device)
    window = sample[:1, : min(10 * RATE, sample.shape[1])]
    speed, peak, batch = time_batch(segmentation, window, window.shape[1] / RATE, device, options.small)
    rows.append({"network": "segmentation, windows", "precision": "fp32", "compiled": False,
                 "× real time": speed, "chunks": batch, "peak GB": peak, "cosine to fp32": 1.0})  # fmt: skip
    return rows


def whole_embeddings(trunk: Trunk, pooling: Any, features: torch.Tensor) -> torch.Tensor:
    """Return (batch, D) embeddings of all frames of each chunk."""
    frames = trunk(features)
    embeddings: torch.Tensor = pooling.pool(frames, torch.ones_like(frames[:, :1]))[:, 0]
    return embeddings


def time_batch(
    network: Callable[[torch.Tensor], object],
    one: torch.Tensor,
    seconds: float,
    device: torch.device,
    small: bool,
) -> tuple[int, float, int]:
    """Return × real time, peak GB, and the batch: as many as 6 GB hold on a GPU, two on a CPU."""
    batch = 2
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
    many = one.expand(batch, *one.shape[1:]).contiguous()
    times = []
    for _ in range(2 if small else 8):
        start = time.perf_counter()
        network(many)
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    peak = torch.cuda.max_memory_allocated() / 1e9 if device.type == "cuda" else 0.0
    return round(batch * seconds / statistics.median(times[1:])), round(peak, 2), batch


def stage_rows(
    models: dict[str, Path], options: argparse.Namespace, device: torch.device, work: Path
) -> list[Row]:
    """Run the stage 1 command: the default encoder on every kind of file, the others on WAV."""
    seconds, files = (3.0, 2) if options.small else (600.0, max(1, round(options.hours * 6)))
    for kind in options.kinds:
        write_archive(work / kind, kind, seconds, files)
    first = models.get(DEFAULT) or next(iter(models.values()))
    runs = [(first, kind, "auto") for kind in options.kinds]
    runs += [(first, options.kinds[0], precision) for precision in options.precisions]
    runs += [(folder, options.kinds[0], "auto") for folder in models.values() if folder != first]
    rows = []
    for number, (folder, kind, precision) in enumerate(runs[: 1 if options.small else None]):
        for workers in options.workers:
            out = work / f"run-{number}-{workers}"
            call(
                ROOT / "extract_embeddings_multigpu.py",
                *("--input_dir", work / kind, "--output_dir", out, "--device", device.type),
                *("--model_dir", folder, "--segmentation", options.segmentation),
                *("--workers", workers, "--precision", precision),
            )
            rows.append(describe_run(folder.name, kind, precision, workers, out))
    return rows


def describe_run(model: str, kind: str, precision: str, workers: int, out: Path) -> Row:
    """Return a row of the table from the run's statistics."""
    run = json.loads((out / "extraction_stats.json").read_text())["this_run"]
    peak = max(rank.get("peak_gpu_bytes", 0) for rank in run["ranks"]) / 1e9
    steps = {step: round(seconds, 2) for step, seconds in run["steps"].items()}
    loop = {part: f"{share:.0%}" for part, share in run["loop"].items()}
    speed = round(run["audio_seconds"] / run["working_seconds"])
    return {"model": model, "from": kind, "precision": precision, "workers": workers, "× real time": speed,
            "start-up s": round(run["seconds"] - run["working_seconds"], 1), **steps, **loop,
            "bound by": run["bound_by"], "peak GB": round(peak, 2)}  # fmt: skip


def error_rows(model: Path, options: argparse.Namespace, device: torch.device, work: Path) -> list[Row]:
    """Measure DER in each precision on the simulated conversations (with --small: an AMI excerpt)."""
    audio = work / "conversations"
    if options.small:
        audio.mkdir()
        for file in sorted((options.shared / "data" / "ami").glob("*"))[:2]:  # audio and reference
            (audio / file.name).symlink_to(file.resolve())
    else:
        call(options.shared / "tools" / "simulate_conversations.py", audio)
    rows = []
    for precision in options.precisions:
        embeddings, result = work / f"der-{precision}", work / f"der-{precision}-result"
        call(
            ROOT / "extract_embeddings_multigpu.py",
            *("--input_dir", audio, "--output_dir", embeddings, "--device", device.type),
            *("--model_dir", model, "--segmentation", options.segmentation, "--precision", precision),
        )
        fixed = ("--embeddings_dir", embeddings, "--output_dir", result)
        call(ROOT / "detect_boundaries.py", "--task", "turns", *fixed)
        rows.append({"precision": precision, "DER %": round(error_rate(audio, result), 2)})
    return rows


def print_table(rows: list[Row]) -> None:
    columns = list(rows[0])
    print("| " + " | ".join(columns) + " |")
    print("|" + "---|" * len(columns))
    for row in rows:
        print("| " + " | ".join(str(row[column]) for column in columns) + " |")
    print(flush=True)


if __name__ == "__main__":
    main()
