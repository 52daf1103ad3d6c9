"""How stage 1 scales with its workers, or each step with the archive, as a Markdown table.

    python benchmarks/scaling.py             # 1, 2, 4, 8 workers with a stand-in for the encoder
    python benchmarks/scaling.py --kill      # the largest number; one worker is killed half-way
    python benchmarks/scaling.py --real      # the real networks: 1 worker on one core, 2 on two, A B A B
    python benchmarks/scaling.py archive     # from listing to linking: see scaling_archive.py

The stand-in takes as long as a GPU would, audio / --times_real_time, and returns noise. Everything else is
real: listing, plan, claims, decoding, queues, Parquet, restarts. The archive has log-normal durations and one
long file; its WAV files are sparse and take no room on the disk. All workers together must be slower than
this machine's cores decode, otherwise decoding is what is measured.

start-up     until all workers are ready: Python, PyTorch, models, listing, plan
measured     from then until the last shard is published
efficiency   ideal / measured; ideal = audio / (workers × times_real_time)
by plan      efficiency that the sizes of the shards and the order of claiming allow
of one       speed / that of one worker; beside it the same for matrix products alone, which is the most that
             the cores of this machine, and whoever else uses them, allow
"""

from __future__ import annotations

import argparse
import heapq
import multiprocessing
import os
import signal
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import scaling_archive
import torch
import yaml
from stand_in import DIMENSION, make_real, make_stand_in, read_log
from threadpoolctl import threadpool_limits

from diar.jobs.extract.config import ExtractConfig
from diar.jobs.extract.plan import claim_order
from diar.jobs.extract.run import run_rank
from diar.jobs.ranks.launcher import launch
from diar.models.encoders.campplus import CAMPPlus
from diar.spawning import usable_cores
from diar.store.layout import Layout
from diar.store.reader import load_index, read_plan

ROOT = Path(__file__).resolve().parent.parent
RATE = 16_000
VICTIMS = ("one at a short recording", "the one furthest into a recording")


@dataclass(frozen=True)
class Run:
    """One run of stage 1, in seconds of wall clock and of audio."""

    startup: float
    measured: float
    audio: float
    embedded: float  # audio that was done twice counts twice
    by_plan: float


def extract(
    config: ExtractConfig, make: Callable[..., Any], disturb: Callable[[Path], None] | None = None
) -> Run:
    """Run stage 1 with embedders by `make`; meanwhile call `disturb` with the folder of the workers' logs."""
    with tempfile.TemporaryDirectory(prefix="scaling-") as folder:
        log, output = Path(folder, "log"), str(Path(folder, "out"))
        log.mkdir()
        begun = time.time()
        if disturb is not None:
            threading.Thread(target=disturb, args=(log,), daemon=True).start()
        config = config.model_copy(update={"output_dir": output, "workers": config.workers or 1})
        code = launch(
            partial(run_rank, make_embedder=partial(make, log=log)),
            config,
            workers=attrgetter("workers"),
            cores=usable_cores(),
            max_restarts=config.max_restarts,
        )
        if code != 0:
            raise SystemExit(f"stage 1 ended with {code}")
        workers = read_log(log)
        ready = workers[(config.workers or 1) - 1].ready  # later ones were started again
        index = load_index(output)
        return Run(
            startup=ready - begun,
            measured=max(file.stat().st_mtime for file in Path(Layout(output).shards).iterdir()) - ready,
            audio=float(index.duration.sum()),
            embedded=sum(worker.embedded for worker in workers),
            by_plan=by_plan(output, dict(zip(index.recording_id, index.duration, strict=True)), config),
        )


def by_plan(output: str, seconds: dict[str, float], config: ExtractConfig) -> float:
    """Return the efficiency if every worker takes the next shard as soon as it is free."""
    plan = read_plan(Layout(output))
    audio = [seconds[recording_id] for recording_id in plan["recording_id"].to_pylist()]
    shards = np.bincount(plan["shard"].to_numpy(), weights=audio)
    free_at = [0.0] * (config.workers or 1)
    for shard, _ in claim_order(plan):
        heapq.heapreplace(free_at, free_at[0] + shards[shard])
    return float(shards.sum() / len(free_at) / max(free_at))


def kill_half_way(log: Path, audio: float, victim: str) -> None:
    """Kill one worker (SIGKILL) when half of the audio is embedded."""
    while sum(worker.embedded for worker in read_log(log)) < audio / 2:
        time.sleep(0.05)
    workers = sorted(read_log(log), key=lambda worker: worker.position)
    os.kill(workers[0 if victim == VICTIMS[0] else -1].pid, signal.SIGKILL)


def write_sparse_wav(path: Path, seconds: float) -> None:
    """Write a sparse WAV file of 16 kHz PCM: a click, then silence."""
    size = 2 * round(seconds * RATE)
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, RATE, 2 * RATE, 2, 16)
    header = struct.pack("<4sI4s", b"RIFF", 36 + size, b"WAVE") + form + struct.pack("<4sI", b"data", size)
    with path.open("wb") as file:
        file.write(header + struct.pack("<h", 10_000))
        file.truncate(len(header) + size)


def skewed_archive(folder: Path, files: int, median: float, longest: float) -> float:
    """Write files of log-normal durations (sigma 1) and one of `longest` seconds; return all seconds."""
    durations = np.random.default_rng(0).lognormal(np.log(median), 1.0, files).clip(min=0.5)
    durations[files // 2] = longest
    for number, seconds in enumerate(durations):
        path = folder / f"part_{number // 500}" / f"{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_sparse_wav(path, seconds)
    return float(durations.sum())


def small_model(folder: Path) -> Path:
    """Write a model directory that opens quickly, as the stand-in needs only its dimension."""
    folder.mkdir()
    arguments = {"feat_dim": 16, "embed_dim": DIMENSION, "growth_rate": 4, "init_channels": 16}
    torch.save(CAMPPlus(**arguments).state_dict(), folder / "avg_model.pt")
    content = {
        "model": "CAMPPlus",
        "model_args": arguments,
        "dataset_args": {"fbank_args": {"num_mel_bins": 16}},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(content))
    return folder


def stand_in_rows(options: argparse.Namespace, folder: Path) -> Iterator[list[str]]:
    audio = skewed_archive(folder / "archive", options.files, options.median, 3600 * options.longest_hours)
    config = ExtractConfig(
        input_dir=str(folder / "archive"),
        output_dir=str(folder),
        model_dir=str(small_model(folder / "model")),
        segmentation="none",
        device="cpu",
        batch_seconds=options.batch_seconds,
    )
    make = partial(make_stand_in, speed=options.times_real_time)
    print(
        f"{options.files} WAV files, {audio / 3600:.1f} h, log-normal around {options.median:g} s and one of "
        f"{options.longest_hours:g} h; {options.times_real_time:g} × real time a worker, "
        f"{len(os.sched_getaffinity(0))} cores\n"
    )
    if not options.kill:
        yield ["workers", "start-up, s", "ideal, s", "measured, s", "efficiency", "by plan"]
        for workers in options.workers:
            run = extract(config.model_copy(update={"workers": workers}), make)
            ideal = audio / workers / options.times_real_time
            row = [f"{run.startup:.1f}", f"{ideal:.1f}", f"{run.measured:.1f}"]
            yield [str(workers), *row, f"{100 * ideal / run.measured:.1f} %", f"{100 * run.by_plan:.1f} %"]
        return
    workers = max(options.workers)
    config = config.model_copy(update={"workers": workers})
    yield [f"killed, of {workers}", "measured, s", "longer by, s", "audio done twice, h", "a worker's share"]
    share = f"{audio / workers / 3600:.2f} h, {audio / workers / options.times_real_time:.1f} s"
    whole = extract(config, make)
    yield ["nobody", f"{whole.measured:.1f}", "0.0", f"{(whole.embedded - audio) / 3600:.2f}", share]
    for victim in VICTIMS:
        run = extract(config, make, partial(kill_half_way, audio=audio, victim=victim))
        longer = f"{run.measured - whole.measured:.1f}"
        yield [victim, f"{run.measured:.1f}", longer, f"{(run.embedded - audio) / 3600:.2f}", share]


def real_rows(options: argparse.Namespace, folder: Path) -> Iterator[list[str]]:
    archive = folder / "archive"
    archive.mkdir()
    audio = sorted((options.shared / "data" / "ami").glob("*.wav"))
    if not audio:
        raise SystemExit(f"--shared {options.shared}: no data/ami/*.wav there")
    for number in range(options.files_real):
        (archive / f"{number}.wav").symlink_to(audio[number % len(audio)].resolve())
    config = ExtractConfig(input_dir=str(archive), output_dir=str(folder), device="cpu", threads=1)
    print(f"{options.files_real} excerpts of 30 s of AMI, default networks, one thread a worker\n")
    cores = sorted(os.sched_getaffinity(0))[:2]
    yield [
        "workers",
        "cores",
        "start-up, s",
        "measured, s",
        "× real time",
        "of one",
        "matrix products of one",
    ]
    speeds: dict[int, list[float]] = {1: [], 2: []}
    products: dict[int, list[float]] = {1: [], 2: []}
    for workers in (1, 2) * options.repeat:
        os.sched_setaffinity(0, cores[:workers])
        run = extract(config.model_copy(update={"workers": workers}), make_real)
        speeds[workers].append(run.audio / run.measured)
        products[workers].append(matrix_products(cores[:workers]))
        ratios = [f"{figures[workers][-1] / figures[1][-1]:.2f}" for figures in (speeds, products)]
        row = [f"{run.startup:.1f}", f"{run.measured:.1f}", f"{speeds[workers][-1]:.1f}"]
        yield [str(workers), str(workers), *row, *ratios]
    ratios = [f"{np.median(figures[2]) / np.median(figures[1]):.2f}" for figures in (speeds, products)]
    yield ["2, median", "2", "", "", f"{np.median(speeds[2]):.1f}", *ratios]


def matrix_products(cores: list[int], seconds: float = 2.0) -> float:
    """Return matrix products a second of all cores together, which shows what the machine itself allows."""
    with multiprocessing.get_context("spawn").Pool(len(cores)) as pool:
        return sum(pool.map(partial(_products_of, seconds=seconds), cores, chunksize=1))


def _products_of(core: int, seconds: float) -> float:
    os.sched_setaffinity(0, {core})
    matrix, count = np.ones((400, 400), np.float32), 0
    with threadpool_limits(1):
        matrix @ matrix
        start = time.perf_counter()
        while time.perf_counter() - start < seconds:
            matrix @ matrix
            count += 1
    return count / seconds


def main() -> None:
    if sys.argv[1:2] == ["archive"]:
        scaling_archive.main(sys.argv[2:])
        return
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--median", type=float, default=60.0, help="seconds, of the files' durations")
    parser.add_argument("--longest_hours", type=float, default=6.0)
    parser.add_argument("--times_real_time", type=float, default=300.0, help="speed of the stand-in")
    parser.add_argument("--batch_seconds", type=float, default=240.0, help="audio in a pass of the stand-in")
    parser.add_argument("--kill", action="store_true", help="what killing one of the most workers costs")
    parser.add_argument("--real", action="store_true", help="the real networks on two cores")
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared", help="has the audio of --real")
    parser.add_argument("--files_real", type=int, default=80, help="excerpts of 30 s for --real")
    parser.add_argument("--repeat", type=int, default=2, help="of --real")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="scaling-") as folder:
        rows = (real_rows if options.real else stand_in_rows)(options, Path(folder))
        for number, row in enumerate(rows):
            print("| " + " | ".join(row) + " |", flush=True)
            if number == 0:
                print("|" + "---|" * len(row), flush=True)


if __name__ == "__main__":
    main()
