"""`diar plan`: how long stage 1 will take and what it will cost."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

import numpy as np

from diar import storage
from diar.archive.decoders.decode import DecodeError, probe_seconds
from diar.archive.listing import Recording
from diar.errors import EXIT_ERROR, report_errors
from diar.jobs.cost.config import PlannedExtractConfig
from diar.jobs.cost.estimate import Durations, estimate_disk, estimate_durations
from diar.jobs.cost.prediction import CostError, Job
from diar.jobs.cost.report import Archive, CostReport
from diar.jobs.cost.speed import FinishedRun, Speed, read_finished_run
from diar.jobs.extract.config import ExtractConfig
from diar.options.arguments import parse_arguments, underscored

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
exit codes: 0; 2 an error, or a deadline that cannot be met."""


@report_errors
def main(arguments: Sequence[str], prog: str = "diar plan") -> int:
    """Print the plan; returns 0, or 2 if there is a deadline that cannot be met."""
    options, others = _parser(prog).parse_known_args([underscored(argument) for argument in arguments])
    config = parse_arguments(PlannedExtractConfig, others, prog=prog, description=DESCRIPTION)
    _check_figures(options)
    _check_sources(options, config)
    report = _make_report(options, config)
    print(report.as_text())
    if options.json is not None:
        storage.write_bytes_atomic(options.json, json.dumps(report.as_json(), indent=2).encode())
    if options.deadline is not None and report.deadline_workers()[0] is None:
        return EXIT_ERROR
    return 0


def _parser(prog: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=prog,
        description=DESCRIPTION,
        epilog=EPILOG,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    speed = parser.add_argument_group("speed")
    speed.add_argument("--stats", metavar="FILE", help="a stage 1 output, or its extraction_stats.json")
    speed.add_argument("--rtf", type=float, metavar="X", help="seconds that one GPU works a second of audio")
    speed.add_argument(
        "--calibration_seconds",
        type=float,
        default=40.0,
        metavar="X",
        help="how long to measure, after start-up, where neither is given [40]",
    )
    plan = parser.add_argument_group("plan")
    plan.add_argument(
        "--hours", type=float, metavar="X", help="hours of audio [those of --input_dir, else of --stats]"
    )
    plan.add_argument(
        "--num_gpus",
        type=_counts,
        default=(1, 2, 4, 8),
        metavar="N,N",
        help="GPUs (on the CPU: workers) to tell the time of [1,2,4,8]",
    )
    plan.add_argument("--deadline", type=float, metavar="X", help="hours: how many GPUs does it take?")
    plan.add_argument("--price", type=float, metavar="X", help="of one GPU (worker) for an hour")
    plan.add_argument(
        "--utilisation",
        type=float,
        default=0.9,
        metavar="U",
        help="share of the paid time in which GPUs work, above 0 and at most 1 [0.9]",
    )
    plan.add_argument("--json", metavar="FILE", help="write all figures there as well")
    return parser


def _counts(text: str) -> tuple[int, ...]:
    parts = text.split(",")
    if not all(part.strip().isdecimal() and int(part) for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of whole numbers from 1 on, such as 1,2,4")
    return tuple(int(part) for part in parts)


def _check_sources(options: argparse.Namespace, config: ExtractConfig) -> None:
    if options.stats is not None and options.rtf is not None:
        raise CostError("give --stats or --rtf, not both")
    if not config.input_dir and options.stats is None and options.rtf is None:
        raise CostError("nothing tells the speed: give --input_dir to measure it, --stats or --rtf")
    if not config.input_dir and options.stats is None and options.hours is None:
        raise CostError("nothing tells how much audio there is: give --hours or --input_dir")


def _check_figures(options: argparse.Namespace) -> None:
    """Refuse what makes no sense before anything is measured."""
    rtf, hours = (1.0 if value is None else value for value in (options.rtf, options.hours))
    Job(rtf, hours, options.utilisation).cost_per_minute(options.price or 0.0)
    for name in ("deadline", "calibration_seconds"):
        value = getattr(options, name)
        if value is not None and not value > 0:
            raise CostError(f"--{name} {value:g} must be above 0")


def _make_report(options: argparse.Namespace, config: ExtractConfig) -> CostReport:
    finished = None if options.stats is None else read_finished_run(options.stats)
    recordings, durations = _list(config) if config.input_dir else ([], Durations(np.empty(0), 0))
    archive = _archive(options, config, recordings, durations, finished)
    speed, source = _speed(options, config, recordings, durations, finished)
    job = Job(
        options.rtf if speed is None else speed.rtf,
        archive.hours,
        options.utilisation,
        archive.longest_hours,
        0.0 if speed is None else speed.startup_seconds,
    )
    return CostReport(
        archive, job, source, speed, options.num_gpus, price=options.price, deadline=options.deadline
    )


def _list(config: ExtractConfig) -> tuple[Sequence[Recording], Durations]:
    from diar.jobs.extract.prepare import list_archive

    recordings = list_archive(config).recordings
    durations = estimate_durations(recordings)
    if not durations.total:
        raise CostError(f"--input_dir {config.input_dir}: no header of {len(recordings):,} files can be read")
    return recordings, durations


def _archive(
    options: argparse.Namespace,
    config: ExtractConfig,
    recordings: Sequence[Recording],
    durations: Durations,
    finished: FinishedRun | None,
) -> Archive:
    """What is to be embedded: by `--hours`, the listed archive or the finished run."""
    longest, longest_hours = "", 0.0
    if recordings:
        hours, count = durations.total / 3600, len(recordings)
        if options.hours is None:
            longest, longest_hours = _longest(recordings, durations)
    elif finished is not None:
        hours, count = finished.audio_hours, finished.recordings
    else:
        hours, count = options.hours, 0
    if options.hours is not None:  # as many recordings an hour as there
        count = round(count * options.hours / hours)
        hours = options.hours
    return Archive(hours, count, estimate_disk(config, count, hours * 3600), longest, longest_hours)


def _longest(recordings: Sequence[Recording], durations: Durations) -> tuple[str, float]:
    recording = recordings[int(np.argmax(durations.seconds))]
    try:
        return recording.recording_id, probe_seconds(recording) / 3600
    except DecodeError:  # the run will report it
        return recording.recording_id, float(durations.seconds.max()) / 3600


def _speed(
    options: argparse.Namespace,
    config: ExtractConfig,
    recordings: Sequence[Recording],
    durations: Durations,
    finished: FinishedRun | None,
) -> tuple[Speed | None, str]:
    """The speed, None where the user gave it, and where it comes from in words."""
    if options.rtf is not None:
        return None, "given"
    if finished is not None:
        return finished.speed, f"last run of {options.stats}"
    from diar.jobs.cost.calibration import calibrate

    print(
        f"running stage 1 on a sample of {config.input_dir} for {options.calibration_seconds:g} s …",
        file=sys.stderr,
        flush=True,
    )
    return calibrate(config, recordings, durations, options.calibration_seconds), "measured now"
