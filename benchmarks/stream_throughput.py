"""References an hour by way of Kafka beside plain stage 1 on the same files; one Markdown table.

    python benchmarks/stream_throughput.py FOLDER [--copies 1] [--rounds 3] [--batch 16]

FOLDER: audio files; each is taken `--copies` times under other names. A round runs stage 1 (one worker, one
thread), then one `diar stream work references` on the durable broker, whose topic holds all references
before it starts. Stage 1 makes tracks only; the worker also finds turns, writes both, and commits results.
Working seconds are without the start of Python and networks; CPU seconds are of all processes but the broker.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import psutil
import soundfile as sf
from kafka_brokers import DURABLE, broker, read_topic, start_stream, stop, wait_ready
from running import timed

BAR = 0.9
_STAGE_1 = "extract_embeddings_multigpu.py"


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds of a process and its children so far."""
    one = psutil.Process(pid)
    return sum(sum(each.cpu_times()[:2]) for each in [one, *one.children(recursive=True)])


def plain(audio: Path, folder: Path) -> tuple[float, float]:
    """Return working seconds and CPU seconds of stage 1."""
    output = folder / "plain"
    options = ("--workers", 1, "--threads", 1, "--device", "cpu")
    before = timed(_STAGE_1, "--help").cpu_seconds
    run = timed(_STAGE_1, "--input_dir", audio, "--output_dir", output, *options)
    statistic = json.loads((output / "extraction_stats.json").read_text())
    shutil.rmtree(output)
    return float(statistic["this_run"]["working_seconds"]), run.cpu_seconds - before


def by_kafka(audio: Path, folder: Path, count: int, batch: int) -> tuple[float, float]:
    """Return working seconds and CPU seconds of a worker of references."""
    log, output = folder / "worker.log", folder / "kafka"
    log.unlink(missing_ok=True)
    with broker(DURABLE, folder / "broker") as one:
        # Not by `timed`, which waits for all children: the broker is one
        sent = start_stream("produce", audio, "--brokers", one.address, "--create_topics", 4, log=log)
        if sent.wait(600):
            raise SystemExit(f"references were not sent:\n{log.read_text()}")
        where = ("--brokers", one.address, "--output_dir", output, "--partitions", "0,1,2,3")
        worker = start_stream("work", "references", *where, "--batch", batch, "--device", "cpu", log=log)
        try:
            wait_ready(worker, log)
            began, before = time.time(), cpu_seconds(worker.pid)
            while len(found := read_topic(one.address, "diar.results")) < count:
                time.sleep(2)
            used = cpu_seconds(worker.pid) - before
            stop(worker)
        finally:
            worker.kill()
        ended = max(message.timestamp()[1] for message in found) / 1000
    shutil.rmtree(output)
    shutil.rmtree(folder / "broker")
    return ended - began, used


def copies(source: Path, target: Path, count: int) -> tuple[int, float]:
    """Link the files of a folder so often; return their number, and the hours of audio."""
    target.mkdir()
    number, seconds = 0, 0.0
    for file in sorted(source.glob("*.wav")):
        for copy in range(count):
            (target / f"{file.stem}-{copy:03d}.wav").symlink_to(file.resolve())
            number, seconds = number + 1, seconds + sf.info(file).duration
    return number, seconds / 3600


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--copies", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch", type=int, default=16)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        count, hours = copies(options.folder, folder / "audio", options.copies)
        found: dict[str, list[tuple[float, float]]] = {"stage 1": [], "Kafka": []}
        for _ in range(options.rounds):
            found["stage 1"].append(plain(folder / "audio", folder))
            found["Kafka"].append(by_kafka(folder / "audio", folder, count, options.batch))
    print(f"{count:,} recordings, {hours:.2f} h; one core, medians of {options.rounds} rounds\n")
    print("| | references an hour | audio hours an hour | working s | CPU s |\n|---|---|---|---|---|")
    middle = {}
    for kind, runs in found.items():
        wall, cpu = (statistics.median(run[part] for run in runs) for part in (0, 1))
        middle[kind] = wall, cpu
        print(
            f"| {kind} | {3600 * count / wall:,.0f} | {3600 * hours / wall:,.1f} | {wall:.1f} | {cpu:.1f} |"
        )
    shares = [middle["stage 1"][part] / middle["Kafka"][part] for part in (0, 1)]
    reached = "reached" if shares[0] >= BAR else "MISSED"
    print(
        f"\nKafka has {shares[0]:.0%} of stage 1's rate ({shares[1]:.0%} by CPU seconds); bar 90 %: {reached}"
    )


if __name__ == "__main__":
    main()
