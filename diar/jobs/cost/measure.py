"""Measure the speed of stage 1 by running it on a sample of the archive."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
import yaml

from diar.archive.listing import Recording
from diar.jobs.cost.estimate import Durations
from diar.jobs.cost.prediction import CostError
from diar.jobs.cost.sample import sample_archive, write_manifest
from diar.jobs.cost.speed import Speed
from diar.jobs.extract.config import ExtractConfig
from diar.jobs.extract.networks.open import open_models
from diar.jobs.progress.counters import Counters
from diar.jobs.progress.reporter import RankProgress, read_ranks
from diar.models.device import count_workers, device_kind
from diar.models.weights.hub import weights_bytes
from diar.store.layout import Layout
from diar.store.reader import failures
from diar.wording import counted

# Seconds of audio a second, above what one worker can do, so that the sample outlasts the measurement
_FASTEST = {"cuda": 20_000.0, "cpu": 500.0}
_POLL = 0.25  # seconds
_ENDING = 20.0  # seconds that workers have to end
# Options of the run on the sample, which is neither resumed nor traced
_PASSED_ON = set(ExtractConfig.model_fields) - {
    *("input_dir", "output_dir", "overwrite", "retry_failed", "profile", "dry_run"),
    *("join", "lease", "interruption_notice"),
}


def calibrate(
    config: ExtractConfig, recordings: Sequence[Recording], durations: Durations, seconds: float
) -> Speed:
    """Run stage 1 on a sample for `seconds` of work, or until the sample is done.

    If the sample is not done by then, only the second half of the time counts, because the first passes
    allocate memory and choose kernels (docs/decisions/040-cost-planning.md).

    Args:
        config: the options that stage 1 will have.
        recordings: all of the archive.
        durations: of these recordings.
        seconds: how long to measure, after start-up.

    Raises:
        DiarError: a device or a model is missing.
        CostError: stage 1 ended without a result; the message says why.
    """
    kind = device_kind(config.device, config.gpus)
    weights = weights_bytes(config.model_dir or config.model)
    workers = count_workers(kind, config.gpus, config.workers, weights)
    open_models(config)  # fetch them now, as that is no part of the start-up
    sample = sample_archive(recordings, durations.seconds, seconds * workers * _FASTEST[kind])
    with tempfile.TemporaryDirectory(prefix="diar-plan-") as folder:
        write_manifest(Path(folder, "sample.jsonl"), sample)
        launched = time.time()
        with _running(config, Path(folder)) as process:
            counters, ranks = _watch(Layout(str(Path(folder, "out"))), process, seconds)
        if not counters.audio_seconds:
            raise CostError(_explain(Path(folder), len(sample)))
    used = torch.cuda.device_count() if config.gpus is None else len(config.gpus)
    sharing = max(1, len(ranks) // used) if kind == "cuda" else 1
    return Speed(counters, len(ranks), _device_name(kind, config), ranks[0].started - launched, sharing)


@contextmanager
def _running(config: ExtractConfig, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run stage 1 on `sample.jsonl` of `folder` in a process of its own; end it with the context."""
    options = config.model_dump(mode="json", exclude_unset=True, include=_PASSED_ON)
    options |= {"input_dir": str(folder / "sample.jsonl"), "output_dir": str(folder / "out")}
    (folder / "run.yaml").write_text(yaml.safe_dump(options), encoding="utf-8")
    # `config` holds the options of the environment, which would override the file's
    prefix = ExtractConfig.environment_prefix
    environment = {key: value for key, value in os.environ.items() if not key.startswith(prefix)}
    command = [sys.executable, "-m", "diar", "extract", "--config", str(folder / "run.yaml")]
    with (folder / "stderr.txt").open("wb") as errors:
        process = subprocess.Popen(command, env=environment, stdout=errors, stderr=errors)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_ENDING)
        except subprocess.TimeoutExpired:
            process.kill()  # its workers notice, and end
            process.wait()


def _watch(
    layout: Layout, process: subprocess.Popen[bytes], seconds: float
) -> tuple[Counters, list[RankProgress]]:
    """Return the counters of all ranks together, and the ranks.

    Of a run that is not done after `seconds` of work, the counters are those of its second half.
    """
    history: list[Counters] = []
    run_id, ended = None, False
    while not ended:
        time.sleep(_POLL)
        ended = process.poll() is not None  # asked first, so that the counters below are the last ones
        ranks = read_ranks(layout)
        if not ranks:
            continue
        if ranks[0].run_id != run_id:  # workers that were started again count from 0
            run_id, history = ranks[0].run_id, []
        history.append(Counters.total(rank.counters for rank in ranks))
        longest = max(rank.counters.working_seconds for rank in ranks)
        if not ended and longest >= seconds:
            half = _second_half(history)
            if half.audio_seconds > 0:  # not so where a worker was started again
                return half, ranks
    return (history[-1] if history else Counters()), ranks


def _second_half(history: list[Counters]) -> Counters:
    """Return what was done in the second half of the working time."""
    last = history[-1]
    middle = next(done for done in history if done.working_seconds >= last.working_seconds / 2)
    return last - middle


def _explain(folder: Path, sampled: int) -> str:
    """Say why stage 1 gave no result."""
    layout = Layout(str(folder / "out"))
    if Path(layout.plan).exists():
        failed = failures(layout)
        if failed:
            return f"none of {counted(sampled, 'sampled recording')} could be embedded: {failed[0]['error']}"
    told = (folder / "stderr.txt").read_text(encoding="utf-8", errors="replace").strip()
    return f"stage 1 ended without a result on a sample of {counted(sampled, 'recording')}:\n{told}"


def _device_name(kind: str, config: ExtractConfig) -> str:
    if kind == "cuda":
        return f"cuda {torch.cuda.get_device_name(config.gpus[0] if config.gpus else 0)}"
    return f"cpu {os.uname().machine}"
