"""How each step grows with the archive: measured at several sizes, extrapolated to the largest archives.

Called by `python benchmarks/scaling.py archive`. No network runs: `stand_in_store.py` writes what stage 1
would have written. Each step runs in a process of its own; seconds are CPU time of all its threads, so that
a machine with other work gives the same figures; memory is its resident peak.

growth    exponent of the line through (log size, log seconds): of all sizes, of the two largest
on disk   bytes for one of the largest size: the step's input, with what it writes there
target    the largest archive; seconds as `extrapolate` says, for fixed costs hide the growth of small sizes;
          memory grows in proportion
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import listing
import numpy as np
from linking import synthetic
from scaling_claims import chunks_a_second, claims_a_second
from scaling_recording import join_chunks, store_chunks
from stand_in_store import SHARD_BYTES, SHARD_FILES, listed, write_conversations, write_short

from diar.archive.listing import list_recordings
from diar.detect.linking.link import link_speakers
from diar.jobs.detect.boundaries import detect_boundaries
from diar.jobs.detect.config import DetectConfig
from diar.jobs.detect.turns import diarize_archive
from diar.jobs.extract.plan import ShardLimits, claim_order, make_plan, save_plan
from diar.jobs.extract.statistics import write_statistics
from diar.store.layout import Layout
from diar.store.reader import load_index, read_plan, read_planned

CONVERSATION = 600.0  # seconds of a recording of `--conversations`
DAY = 2_880  # chunks of a recording of 24 hours


@dataclass(frozen=True)
class Step:
    """What is measured: `prepare` makes its input, `work` is timed; both get a folder and a size."""

    name: str
    unit: str
    work: Callable[[Path, int], None]
    prepare: Callable[[Path, int], None]


@dataclass(frozen=True)
class Point:
    """CPU seconds, resident bytes and bytes on disk at one size."""

    size: int
    seconds: float
    peak: int
    stored: int = 0  # of the step's input, and of what it wrote there


def apart(work: Callable[..., Point | None], *arguments: object) -> Point | None:
    """Run `work` in a process of its own, forked from this one, which stays small: nothing to import."""
    with ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool:
        return pool.submit(work, *arguments).result()


def _measure(work: Callable[[Path, int], None], folder: Path, size: int) -> Point:
    start = time.process_time()
    work(folder, size)
    seconds = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    stored = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return Point(size, seconds, peak, stored)


def growth(points: list[Point], value: Callable[[Point], float]) -> float:
    """Return the exponent of the least-squares line through the logarithms."""
    sizes = np.log([point.size for point in points])
    return float(np.polyfit(sizes, np.log([max(value(point), 1e-9) for point in points]), 1)[0])


def extrapolate(points: list[Point], target: int) -> float:
    """Return seconds at `target`: by the growth of all sizes or of the two largest, or in proportion to what
    was added between these, whichever is most.
    """

    def seconds(point: Point) -> float:
        return point.seconds

    last, before = points[-1], points[-2]
    exponent = max(growth(points, seconds), growth(points[-2:], seconds))
    added = (last.seconds - before.seconds) / (last.size - before.size) * (target - last.size)
    return float(last.seconds + max(last.seconds * ((target / last.size) ** exponent - 1), added))


def extrapolate_memory(points: list[Point], target: int) -> float:
    """Return bytes at `target`, which grow in proportion to what was added between the two largest sizes."""
    last, before = points[-1], points[-2]
    return last.peak + max(last.peak - before.peak, 0) / (last.size - before.size) * (target - last.size)


def nothing(folder: Path, size: int) -> None:
    """Prepare nothing."""


def write_list(folder: Path, size: int) -> None:
    """Write a wav.scp of recordings that lie in 100 files."""
    folder.mkdir()
    listing.write_list(folder, size)


def read_list(folder: Path, size: int) -> None:
    """List a wav.scp."""
    assert len(list_recordings(str(folder / "wav.scp")).recordings) == size


def walk(folder: Path, size: int) -> None:
    """List a folder tree."""
    assert len(list_recordings(str(folder)).recordings) == size


def plan(folder: Path, size: int, again: bool = False) -> None:
    """Plan recordings of 3 s, write the plan, order its shards; `again`: from the plan that is there."""
    layout, recordings = Layout(str(folder)), listed(size, 3.0)
    Path(layout.private).mkdir(parents=True, exist_ok=True)
    previous = read_plan(layout) if again else None
    limits = ShardLimits.for_archive(recordings, SHARD_FILES, SHARD_BYTES)
    made = make_plan(recordings, limits, previous)
    save_plan(layout, made)
    claim_order(made)


def read_a_shard(folder: Path, size: int, times: int = 20) -> None:
    """Read one shard of the plan, as a rank does for each that it claims, `times` times."""
    layout = Layout(str(folder))
    for _ in range(times):
        assert len(read_planned(layout, 0))


def index_only(folder: Path, size: int) -> None:
    """Write the index of short files without their tracks."""
    write_short(folder, size, tracks=False)


def short_files(folder: Path, size: int) -> None:
    """Write short files with their tracks."""
    write_short(folder, size)


def conversations(folder: Path, size: int) -> None:
    """Write conversations of ten minutes each."""
    write_conversations(folder, size, CONVERSATION)


def one_conversation(folder: Path, size: int) -> None:
    """Write one conversation of `size` hours."""
    write_conversations(folder, 1, 3600.0 * size)


def read_index(folder: Path, size: int) -> None:
    """Read the whole index, as stage 2 does."""
    assert len(load_index(str(folder))) == size


def statistics(folder: Path, size: int) -> None:
    """Add up the finished shards, as rank 0 does at the end of stage 1."""
    metadata = dict.fromkeys(("model", "model_sha256", "architecture", "fingerprint"), "")
    figures = dict.fromkeys(("files", "failed", "bytes", "skipped_files", "skipped_bytes"), 0)
    seconds = ("audio", "working", "compute", "decode_wait", "write_wait")
    steps = ("decode", "fbank", "segment", "embed", "rows", "write")
    names = [*(f"{name}_seconds" for name in seconds), *(f"{name}_step" for name in steps)]
    write_statistics(
        Layout(str(folder)), metadata, [{"rank": 0, "seconds": 1.0, **figures, **dict.fromkeys(names, 0.0)}]
    )


def find_boundaries(folder: Path, size: int, block: int | None = None) -> None:
    """Find segments between files; audio is not placed."""
    given = {} if block is None else {"segment_size": block}
    output = tempfile.mkdtemp(dir=folder.parent)
    detect_boundaries(
        DetectConfig(embeddings_dir=str(folder), output_dir=f"{output}/result", place="none", **given)
    )


def find_turns(folder: Path, size: int) -> None:
    """Diarize and link all recordings in one process, without pictures."""
    output = tempfile.mkdtemp(dir=folder.parent)
    diarize_archive(
        DetectConfig(
            embeddings_dir=str(folder), output_dir=f"{output}/result", task="turns", plot=False, processes=1
        )
    )


def link(folder: Path, size: int) -> None:
    """Link recording-level speakers, ten of a person, four of a recording."""
    link_speakers(*synthetic(size)[:2], np.arange(size) // 4)


FILES = [
    Step("list a wav.scp", "files", read_list, write_list),
    Step("plan, new", "files", plan, nothing),
    Step("plan, resumed", "files", partial(plan, again=True), plan),
    Step("20 shards of the plan, read by a rank", "files", read_a_shard, plan),
    Step("statistics at the end of stage 1", "files", statistics, index_only),
    Step("index, read by stage 2", "files", read_index, index_only),
    Step("stage 2, files, automatic", "files", find_boundaries, index_only),
    Step("stage 2, files, block size given", "files", partial(find_boundaries, block=1000), index_only),
]
WALKED = [Step("list a folder", "files", walk, listing.write_tree)]
SHORT = [Step("stage 2, turns, files of 3 s", "files", find_turns, short_files)]
TALKS = [Step("stage 2, turns, recordings of 600 s", "recordings", find_turns, conversations)]
HOURS = [Step("stage 2, turns, one recording", "hours", find_turns, one_conversation)]
CHUNKS = [
    Step("one recording, its chunks stored", "hours", store_chunks, nothing),
    Step("one recording, its chunks joined", "hours", join_chunks, store_chunks),
]
SPEAKERS = [Step("linking, with vectors made", "speakers", link, nothing)]


def rows_of(steps: list[Step], sizes: list[int], target: int, folder: Path) -> None:
    """Measure steps at all sizes; print each row once it is complete. Steps with one input share it."""
    for prepare in dict.fromkeys(step.prepare for step in steps):
        own = [step for step in steps if step.prepare is prepare]
        points: dict[str, list[Point]] = {step.name: [] for step in own}
        for size in sizes:
            with tempfile.TemporaryDirectory(dir=folder) as work:
                apart(prepare, Path(work) / "input", size)
                for step in own:
                    point = apart(_measure, step.work, Path(work) / "input", size)
                    assert point is not None
                    points[step.name].append(point)
                    if size == sizes[-1]:
                        print(f"| {step.name} | {row(points[step.name], step.unit, target)} |", flush=True)


def row(points: list[Point], unit: str, target: int) -> str:
    """Return the cells of one step."""
    measured = ", ".join(f"{point.size:,}: {point.seconds:.3g}" for point in points)
    peaks = ", ".join(f"{point.peak / 2**20:.0f}" for point in points)
    stored = f"{points[-1].stored / points[-1].size:,.0f}"
    if len(points) < 2:
        return f"{measured} | {peaks} | {stored} | | | | "
    grown = (growth(some, lambda point: point.seconds) for some in (points, points[-2:]))
    exponents = ", ".join(f"{exponent:.2f}" for exponent in grown)
    there = f"{extrapolate(points, target):,.0f} | {extrapolate_memory(points, target) / 2**30:.1f}"
    return f"{measured} | {peaks} | {stored} | {exponents} | {target:,} {unit} | {there}"


def main(arguments: list[str]) -> None:
    """Print one table of growth, one of claims."""
    parser = argparse.ArgumentParser(
        prog="scaling.py archive", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--files", type=int, nargs="*", default=[10_000, 30_000, 100_000, 300_000])
    parser.add_argument("--walked", type=int, nargs="*", default=[10_000, 30_000, 100_000])
    parser.add_argument("--short", type=int, nargs="*", default=[1_000, 3_000, 10_000])
    parser.add_argument("--conversations", type=int, nargs="*", default=[10, 30, 100])
    parser.add_argument("--hours", type=int, nargs="*", default=[2, 6, 24])
    parser.add_argument("--chunks", type=int, nargs="*", default=[3, 24], help="hours")
    parser.add_argument("--speakers", type=int, nargs="*", default=[30_000, 100_000, 300_000])
    parser.add_argument("--ranks", type=int, nargs="*", default=[1, 8, 64])
    parser.add_argument(
        "--shards", type=int, default=20_000, help="claimed by all ranks; 10^7 files have so many"
    )
    options = parser.parse_args(arguments)
    print(f"{os.cpu_count()} cores, {platform.machine()}, CPU seconds of one process\n")
    print("| step | size: seconds | peak MiB | on disk | growth | target | seconds there | GiB there |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory(prefix="scaling-") as folder:
        for steps, sizes, target in (
            (FILES, options.files, 10**7),
            (WALKED, options.walked, 10**7),
            (SHORT, options.short, 10**7),
            (TALKS, options.conversations, 600_000),
            (HOURS, options.hours, 24),
            (CHUNKS, options.chunks, 24),
            (SPEAKERS, options.speakers, 10**7),
        ):
            if sizes:
                rows_of(steps, sizes, target, Path(folder))
    if options.ranks:
        print(f"\n{options.shards:,} shards; {DAY:,} chunks of one recording; claimed as fast as it goes\n")
        print("| ranks | shards a second | most that a core serves | chunks a second | most |")
        print("|---|---|---|---|---|")
    for ranks in options.ranks:
        rates = claims_a_second(ranks, options.shards), chunks_a_second(ranks, DAY)
        cells = (f"{rate.measured:,.0f} | {rate.served:,.0f}" for rate in rates)
        print(f"| {ranks} | {' | '.join(cells)} |", flush=True)
