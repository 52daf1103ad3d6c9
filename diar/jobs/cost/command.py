"""`diar plan`: how long stage 1 will take, and what it will cost."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

import numpy as np

from diar import storage
from diar.archive.decoders.decode import DecodeError, probe_seconds
from diar.archive.listing import Recording
from diar.errors import EXIT_ERROR, EXIT_OK
from diar.jobs.cost.config import PlanConfig
from diar.jobs.cost.estimate import Durations, estimate_disk, estimate_durations
from diar.jobs.cost.prediction import CostError, Job
from diar.jobs.cost.report import Archive, CostReport
from diar.jobs.cost.speed import FinishedRun, Speed, read_finished_run
from diar.options.command import run_command
from diar.options.places import check_writable
from diar.wording import counted

DESCRIPTION = """\
How long stage 1 will take on 1, 2, 4, 8 GPUs, how many a deadline needs, what it will cost, and
how much disk the embeddings need; before you start it.

The speed comes from one of three places:
  --input_dir alone   a short run of stage 1 on a sample of the archive, on this machine (about a minute)
  --stats             a run that you made: its output or its extraction_stats.json
  --rtf               a figure that you know: seconds of work a second of audio

Every option of `diar extract` can be given, too (--model, --device, --gpus, --workers, --step,
--config …), and should be the one that the run will have."""

EPILOG = """\
what it computes, for N GPUs (on the CPU: worker processes, which share the machine's cores):
  RTF           seconds that one GPU works a second of audio, start-up excluded
  hours         RTF x hours of audio / (N x U), but never less than the longest recording takes alone
  cost          price x RTF / U / 60 a minute of audio
  U             --utilisation: the share of the paid time in which the GPUs work at that speed; the rest are
                start-up, uneven ends, restarts, waiting for a scheduler

examples:
  diar plan --input_dir /archive
  diar plan --input_dir /archive --gpus 0,1 --deadline 24 --price 2.5
  diar plan --stats E --hours 100000 --num_gpus 8,16,32 --price 2.5 --utilisation 0.8 --json plan.json
  diar plan --rtf 0.0001 --hours 100000 --deadline 12

On the CPU a price is that of one worker: the machine's price / workers.
exit codes: 0 done; 2 an error, or a deadline that cannot be met."""


def main(arguments: Sequence[str], prog: str = "diar plan") -> int:
    """Run `diar plan` and return the exit code: `EXIT_ERROR` also for a deadline that cannot be met."""
    return run_command(_plan, PlanConfig, arguments, prog=prog, description=DESCRIPTION, epilog=EPILOG)


def _plan(config: PlanConfig) -> int:
    _check_figures(config)
    check_writable("json", _folder_of(config.json_file))
    report = _make_report(config)
    print(report.as_text())
    if config.json_file is not None:
        storage.write_bytes_atomic(config.json_file, json.dumps(report.as_json(), indent=2).encode())
    if config.deadline is not None and report.deadline_workers()[0] is None:
        return EXIT_ERROR
    return EXIT_OK


def _folder_of(file: str | None) -> str:
    """Return the folder of a local file, else nothing."""
    local = None if file is None else storage.local_path(file)
    return "" if local is None else str(local.absolute().parent)


def _check_figures(config: PlanConfig) -> None:
    """Refuse what makes no sense before anything is measured."""
    rtf, hours = (1.0 if value is None else value for value in (config.rtf, config.hours))
    Job(rtf, hours, config.utilisation).cost_per_minute(config.price or 0.0)
    for name in ("deadline", "calibration_seconds"):
        value = getattr(config, name)
        if value is not None and not value > 0:
            raise CostError(f"--{name} {value:g} must be above 0")


def _make_report(config: PlanConfig) -> CostReport:
    finished = None if config.stats is None else read_finished_run(config.stats)
    recordings, durations = _list(config) if config.input_dir else ([], Durations(np.empty(0), 0))
    archive = _archive(config, recordings, durations, finished)
    speed, source = _speed(config, recordings, durations, finished)
    rtf, startup_seconds = (config.rtf or 0.0, 0.0) if speed is None else (speed.rtf, speed.startup_seconds)
    job = Job(rtf, archive.hours, config.utilisation, archive.longest_hours, startup_seconds)
    return CostReport(
        archive, job, source, speed, config.num_gpus, price=config.price, deadline=config.deadline
    )


def _list(config: PlanConfig) -> tuple[Sequence[Recording], Durations]:
    from diar.jobs.extract.prepare import list_archive

    recordings = list_archive(config).recordings
    durations = estimate_durations(recordings)
    if not durations.total:
        raise CostError(
            f"--input_dir {config.input_dir}: no header of {counted(len(recordings), 'file')} can be read"
        )
    return recordings, durations


def _archive(
    config: PlanConfig,
    recordings: Sequence[Recording],
    durations: Durations,
    finished: FinishedRun | None,
) -> Archive:
    """Describe what is to be embedded: the listed archive or the finished run, scaled to `--hours`."""
    hours, count = 0.0, 0
    if recordings:
        hours, count = durations.total / 3600, len(recordings)
    elif finished is not None:
        hours, count = finished.audio_hours, finished.recordings
    longest, longest_hours = "", 0.0
    if config.hours is not None:  # with as many recordings an hour; which is the longest is not known
        hours, count = config.hours, round(count * config.hours / hours) if hours else 0
    elif recordings:
        longest, longest_hours = _longest(recordings, durations)
    return Archive(hours, count, estimate_disk(config, count, hours * 3600), longest, longest_hours)


def _longest(recordings: Sequence[Recording], durations: Durations) -> tuple[str, float]:
    """Return the longest recording's id and hours."""
    recording = recordings[int(np.argmax(durations.seconds))]
    try:
        return recording.recording_id, probe_seconds(recording) / 3600
    except DecodeError:  # the run will report it
        return recording.recording_id, float(durations.seconds.max()) / 3600


def _speed(
    config: PlanConfig,
    recordings: Sequence[Recording],
    durations: Durations,
    finished: FinishedRun | None,
) -> tuple[Speed | None, str]:
    """Return the speed, None where the user gave it, and where it comes from in words."""
    if config.rtf is not None:
        return None, "given"
    if finished is not None:
        return finished.speed, f"last run of {config.stats}"
    from diar.jobs.cost.measure import calibrate

    print(
        f"running stage 1 on a sample of {config.input_dir} for {config.calibration_seconds:g} s …",
        file=sys.stderr,
        flush=True,
    )
    return calibrate(config, recordings, durations, config.calibration_seconds), "measured now"
