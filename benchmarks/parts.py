"""Each step of stage 1 alone, in one process: its speed, and how close that is to the machine's limit.

    python benchmarks/parts.py
    python benchmarks/parts.py --threads 2 --model_dir MODEL --json parts.json
    python benchmarks/parts.py --isa avx2          # as on a processor without AVX-512

The limit of a network is its arithmetic: floating-point operations for a second of audio, divided by the rate
that a matrix product of the same precision reaches on this machine. Decoding has no such limit; it is
measured with 1 thread, 2 threads and 2 processes, which shows what to decode in.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from running import ISAS
from sample_audio import RATE, SUFFIXES, speech_like, write_archive
from torch.utils.flop_counter import FlopCounterMode

from diar.archive.decoders.decode import open_audio
from diar.archive.recording import Recording
from diar.embedding.chunks import ChunkSettings, cut_chunks
from diar.embedding.embedder import TrackEmbedder
from diar.embedding.networks import make_detector
from diar.embedding.rows import assemble
from diar.embedding.settings import SpeechSettings
from diar.embedding.speech.detector import SpeechDetector
from diar.models.defaults import DEFAULT_ENCODER, DEFAULT_SECOND_SEGMENTATION, DEFAULT_SEGMENTATION
from diar.models.encoders.wespeaker import open_model_dir
from diar.models.features import cmn
from diar.models.inference import PRECISIONS, Precision, Trunk, best_precision
from diar.models.memory import keep_freed_memory
from diar.models.open import open_segmentation
from diar.models.segmentation.pyannet import PyanNet
from diar.models.weights import hub
from diar.records import RecordingRow
from diar.store.layout import Layout
from diar.store.writer import make_writer

CHUNK = 32.0  # seconds, with context
Row = dict[str, object]


def main() -> None:
    """Print two tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--isa", choices=sorted(ISAS), help="instructions to keep to; default: all there are")
    parser.add_argument("--decode_seconds", type=float, default=600.0, help="length of a decoded file")
    parser.add_argument("--model_dir", type=Path, help="default: the default encoder")
    parser.add_argument("--segmentation_dir", type=Path, help="default: the default segmentation model")
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    options = parser.parse_args()
    keep_to(options.isa)
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    machine = f"{platform.machine()}, {os.cpu_count()} cores"
    print(f"{machine}, {options.threads} threads, torch {torch.__version__}\n")
    rows = decode_rows(options.decode_seconds, options.repeats)
    print_table(rows, ["decoding", "1 thread", "2 threads", "2 processes"])
    networks = network_rows(options)
    print_table(
        networks, ["step", "× real time", "ms a chunk of 32 s", "GFLOP a chunk", "share of the limit"]
    )
    if options.json:
        options.json.write_text(json.dumps({"decode": rows, "steps": networks}, indent=2))


def keep_to(isa: str | None) -> None:
    """Start this program again with the variables of `isa`, unless they are set."""
    variables = ISAS.get(isa or "", {})
    if not variables.items() <= os.environ.items():
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **variables})


def decode_rows(seconds: float, repeats: int) -> list[Row]:
    """Return × real time of decoding to mono float32 at 16 kHz, all workers together."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as temporary:
        for kind in SUFFIXES:
            folder = Path(temporary) / kind
            write_archive(folder, kind, seconds, files=2, distinct=1)
            files = sorted(map(str, folder.iterdir()))
            row: Row = {"decoding": kind}
            for name, pool, share in (
                ("1 thread", ThreadPoolExecutor(1), files[:1]),
                ("2 threads", ThreadPoolExecutor(2), files),
                ("2 processes", ProcessPoolExecutor(2), files),
            ):
                row[name] = round(
                    len(share) * seconds / median_time(lambda p=pool, s=share: decode_all(p, s), repeats)
                )
                pool.shutdown()
            rows.append(row)
    return rows


def decode_all(pool: Executor, files: list[str]) -> None:
    list(pool.map(decode_file, files))


def decode_file(path: str) -> int:
    """Count the samples of a file."""
    with open_audio(Recording(path, path, Path(path).stat().st_size, 0.0), RATE, "mix") as audio:
        return sum(len(block) for block in audio)


@torch.inference_mode()
def network_rows(options: argparse.Namespace) -> list[Row]:
    """Each step on one chunk."""
    model = open_model_dir(options.model_dir or hub.resolve(DEFAULT_ENCODER))
    segmentation = open_segmentation(options.segmentation_dir or "segmentation-3.0")
    cpu = torch.device("cpu")
    detector = SpeechDetector(segmentation, cpu, step=5.0, silence_margin=2.0)
    settings = ChunkSettings.from_seconds(RATE, chunk=30.0, window=1.0, hop=0.5)
    chunk = next(cut_chunks([speech_like(CHUNK)], settings))
    samples = torch.from_numpy(chunk.samples)[None]
    fbank = model.fbank.front_end().eval()
    features = cmn(fbank(samples))
    rows = [
        measure("fbank", lambda: cmn(fbank(samples)), options.repeats),
        *segmentation_rows(detector, samples, options.repeats),
    ]
    halved = Trunk(model.encoder, model.fbank.num_mel_bins, "bf16").eval()
    flops = count_flops(lambda: halved(features))  # torch does not count oneDNN's fp32 products
    native = options.isa is None and best_precision(cpu) == "mixed"
    if native:
        settled = SpeechSettings(silence_margin=2.0)
        rows += segmentation_rows(
            make_detector(segmentation, None, settled, cpu, "mixed"), samples, options.repeats
        )
    rows += opinion_rows(samples, ("fp32", "mixed") if native else ("fp32",), options.repeats)
    for precision in ("fp32", "mixed", "bf16") if native else ("fp32",):
        trunk = Trunk(model.encoder, model.fbank.num_mel_bins, precision).eval()
        rows.append(
            measure(f"trunk, {precision}", lambda t=trunk: t(features), options.repeats,
                    lambda: flops, PRECISIONS[precision][1])
        )  # fmt: skip
    embedder = TrackEmbedder(model, detector, settings, cpu)
    started = embedder.start([chunk])
    pooled = embedder.pool(started)
    made = embedder.finish(pooled)
    rows.append(measure("masks and pooling", lambda: embedder.pool(started), options.repeats))
    rows.append(measure("rows", lambda: assemble(embedder.finish(pooled), RATE), options.repeats))
    with tempfile.TemporaryDirectory() as temporary:
        metadata = {"fingerprint": "benchmark"}
        writer = make_writer("mirror", Layout(temporary), model.encoder.embedding_dim, metadata)
        tracks = assemble(made, RATE).tracks
        rows.append(
            measure(
                "write",
                lambda: writer.write_tracks(0, RecordingRow("a.wav", "a.wav"), tracks),
                options.repeats,
            )
        )
    return rows


def measure(
    name: str,
    action: Callable[[], object],
    repeats: int,
    flops: Callable[[], float] | None = None,
    dtype: torch.dtype = torch.float32,
) -> Row:
    """Return a row of the table; the limit is that of a matrix product in `dtype`."""
    seconds = median_time(action, repeats)
    row: Row = {
        "step": name,
        "× real time": round(CHUNK / seconds),
        "ms a chunk of 32 s": round(1e3 * seconds, 1),
    }
    if flops is not None:
        operations = flops()
        row["GFLOP a chunk"] = round(operations / 1e9, 1)
        row["share of the limit"] = f"{operations / seconds / matrix_rate(dtype, repeats):.0%}"
    return row


def median_time(action: Callable[[], object], repeats: int) -> float:
    """Return the seconds of a call, the first call left out."""
    action()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def matrix_rate(dtype: torch.dtype, repeats: int, size: int = 1024) -> float:
    """Return the floating-point operations a second of the faster of torch's two matrix products."""
    one = torch.randn(size, size).to(dtype)
    seconds = [median_time(lambda: one @ one, repeats)]
    if hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        product = torch.ops.mkldnn._linear_pointwise
        seconds.append(median_time(lambda: product(one, one, None, "none", [], ""), repeats))
    return 2 * size**3 / min(seconds)


def count_flops(action: Callable[[], object]) -> float:
    """Count the operations of convolutions and matrix products."""
    with FlopCounterMode(display=False) as counter:
        action()
    return float(counter.get_total_flops())


def segmentation_rows(detector: SpeechDetector, samples: torch.Tensor, repeats: int) -> list[Row]:
    """Measure the detector, and SincNet and the LSTM of a chunk's seg_windows each by itself."""
    network, size = detector.network, detector.window
    dtype = next(network.lstm.parameters()).dtype
    name = "" if dtype == torch.float32 else ", mixed"
    starts = seg_window_starts(detector, samples)
    features = network.features_of_windows(samples, starts, size)
    return [
        measure(
            f"segmentation{name}", lambda: detector.detect(samples), repeats,
            lambda: segmentation_flops(detector, samples), dtype,
        ),
        measure(
            f"· SincNet{name}", lambda: network.features_of_windows(samples, starts, size), repeats,
            lambda: count_flops(lambda: network.features_of_windows(samples, starts, size)), dtype,
        ),
        measure(
            f"· LSTM{name}", lambda: network.lstm(features), repeats,
            lambda: lstm_flops(network, features), dtype,
        ),
    ]  # fmt: skip


def opinion_rows(samples: torch.Tensor, precisions: Sequence[Precision], repeats: int) -> list[Row]:
    """Measure the second network where it is asked about all of a chunk."""
    rows = []
    for precision in precisions:
        settings = SpeechSettings(speech="both")
        networks = (open_segmentation(name) for name in (DEFAULT_SEGMENTATION, DEFAULT_SECOND_SEGMENTATION))
        detector = make_detector(*networks, settings, torch.device("cpu"), precision)
        second = detector.second
        assert second is not None
        frames = np.zeros((1, detector.network.num_frames(samples.shape[1])))
        rows.append(
            measure(
                f"second opinion, {precision}", lambda s=second, f=frames: s.speech(samples, f, f), repeats
            )
        )
    return rows


def seg_window_starts(detector: SpeechDetector, samples: torch.Tensor) -> list[int]:
    """Return where the seg_windows of a chunk begin, in samples."""
    found = detector.detect(samples).local
    assert found is not None
    return [int(start) for start in found.starts]


def lstm_flops(network: PyanNet, features: torch.Tensor) -> float:
    """Count the operations of the LSTM, which torch leaves out, on (batch, frames, features)."""
    lstm = network.lstm
    inputs = [lstm.input_size, *[2 * lstm.hidden_size] * (lstm.num_layers - 1)]
    of_a_frame = sum(2 * 2 * 4 * lstm.hidden_size * (size + lstm.hidden_size) for size in inputs)
    return float(of_a_frame * features.shape[0] * features.shape[1])


def segmentation_flops(detector: SpeechDetector, samples: torch.Tensor) -> float:
    """Count the operations of all seg_windows of a chunk."""
    network, starts = detector.network, seg_window_starts(detector, samples)
    frames = torch.empty(len(starts), network.num_frames(detector.window), 0)
    sincnet = count_flops(lambda: network.features_of_windows(samples, starts, detector.window))
    return sincnet + lstm_flops(network, frames)


def print_table(rows: list[Row], columns: list[str]) -> None:
    print("| " + " | ".join(columns) + " |")
    print("|" + "---|" * len(columns))
    for row in rows:
        print("| " + " | ".join(str(row.get(column, "")) for column in columns) + " |")
    print(flush=True)


if __name__ == "__main__":
    main()
