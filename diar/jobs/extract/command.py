"""The stage 1 command: arguments → ExtractConfig → ranks."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from functools import partial

from diar.errors import EXIT_FAILURES, EXIT_INTERRUPTED, EXIT_OK
from diar.jobs.extract.config import ExtractConfig
from diar.jobs.ranks.processes import garbage_left, started_by_torchrun, worker_context
from diar.jobs.tracked.ranks import run_tracked_ranks
from diar.jobs.watching import watched_ranks
from diar.models.defaults import DEFAULT_ENCODER
from diar.models.weights.registered import with_versions
from diar.options.command import run_command
from diar.options.places import check_reachable, check_writable
from diar.spawning import end_with_parent, usable_cores
from diar.store.layout import Layout

DESCRIPTION = """\
Stage 1: turn an archive of audio files into speaker embeddings in Parquet.

Started plainly, it starts up to six workers on each GPU, by cores and memory (without a GPU, one on each
core; --workers says otherwise). One that dies is started again while the others work on. About a minute of
audio or less is done before workers would have started, in this process alone, unless --workers asks for
them. Started by torchrun, it joins as one of its ranks.
Interrupted in any way, the same command goes on where it was."""

EPILOG = """\
examples:
  {prog} --input_dir /archive --output_dir E
  {prog} --input_dir /archive --output_dir E --gpus 0,1,2,3 --model_dir my_model
  {prog} --input_dir wav.scp --output_dir E --dry_run
  torchrun --nproc-per-node 4 {script} --input_dir /archive --output_dir E

Every option can also stand in a YAML file (--config run.yaml) or in the environment, such as
DIAR_EXTRACT_CHANNEL=0; a flag wins over the environment, the environment over the file.

exit codes: 0 all done; 3 done, some recordings failed (listed with their reason); 75 stopped as asked, run it
again; other: not finished.
Ranks of torchrun end with 0 in place of 3, or it would stop the others; `diar status OUTPUT_DIR` tells.
`diar status OUTPUT_DIR` also shows how far a run is, from any terminal."""


def main(arguments: Sequence[str], prog: str = "diar extract") -> int:
    """Run stage 1 and return the exit code."""
    script = prog if prog.endswith(".py") else f"-m {prog}"
    epilog = EPILOG.format(prog=prog, script=script)
    return run_command(_extract, ExtractConfig, arguments, prog=prog, description=DESCRIPTION, epilog=epilog)


def _extract(config: ExtractConfig) -> int:
    if config.dry_run:
        from diar.jobs.cost.dry_run import print_dry_run

        print_dry_run(config)
        return EXIT_OK
    check_reachable("input_dir", config.input_dir)
    check_writable("output_dir", config.output_dir)
    config = with_versions(config, config.mlflow)
    layout = Layout(config.output_dir)
    work = partial(watched_ranks, config, "extract", layout, partial(_run, config))
    return run_tracked_ranks(config, "extract", layout, work)


def _run(config: ExtractConfig) -> int:
    """Do the job as a rank of torchrun, alone, or by workers; return the exit code."""
    # Importing torch takes seconds, which --help and a wrong flag should not cost
    if started_by_torchrun():
        with garbage_left():
            from diar.jobs.extract.run import run_rank

        code = run_rank(config)
        return EXIT_OK if code == EXIT_FAILURES else _told(code)
    from diar.archive.little import is_little

    if config.workers is None and is_little(config.input_dir):
        return _run_alone(config)
    return start_workers(config)


def _run_alone(config: ExtractConfig) -> int:
    """Do the job in this process, which is faster than workers would start; return the exit code."""
    with garbage_left():
        from diar.jobs.extract.run import run_alone
        from diar.jobs.extract.statistics import print_summary

    try:
        code = run_alone(config, print_summary)
    except KeyboardInterrupt:  # before it has begun to listen
        code = EXIT_INTERRUPTED
    return _told(code)


def _told(code: int) -> int:
    """Say how to go on where nobody has supervised the work; return the exit code."""
    if code == EXIT_INTERRUPTED and os.environ.get("LOCAL_RANK", "0") == "0":
        print("stopped before the end; the same command goes on from here", file=sys.stderr)
    return code


def start_workers(config: ExtractConfig) -> int:
    """Do the job by processes that this one starts; return the exit code.

    Raises:
        DiarError: what a user can mend, found before they start.
    """
    config = with_versions(config)
    worker_context()  # its server imports torch meanwhile
    _fetch_weights(config)
    from diar.jobs.ranks.launcher import launch

    return launch(
        _run_rank,
        config,
        workers=_count_workers,
        cores=usable_cores(),
        max_restarts=config.max_restarts,
        grace=config.grace,
        port=config.port,
    )


def start_one_worker(config: ExtractConfig) -> int:
    """Do the job by one process that this one starts, and tell no figures; return the exit code.

    Raises:
        DiarError: what a user can mend.
    """
    from diar.jobs.ranks.launcher import launch_one

    return launch_one(_run_one, with_versions(config), usable_cores(), config.grace)


def _count_workers(config: ExtractConfig) -> int:
    """Count the processes to start, in another process than the launcher, which does without torch."""
    from diar.models.device import count_workers, device_kind
    from diar.models.weights.hub import weights_bytes

    kind, weights = device_kind(config.device, config.gpus), weights_bytes(config.model_dir or config.model)
    return count_workers(kind, config.gpus, config.workers, weights)


def _fetch_weights(config: ExtractConfig) -> None:
    """Fetch the weights once for all ranks, which then open them.

    Raises:
        DiarError: some cannot be found or fetched.
    """
    from diar.models.weights.hub import CONFIG_FILE, resolve

    if config.model_dir is None:
        resolve(config.model or DEFAULT_ENCODER, "model")
    if config.segmentation != "none":
        folder = resolve(config.segmentation, "segmentation")
        asks = (folder / CONFIG_FILE).is_file()  # as a PyanNet does
        if config.speech in ("doubt", "both") or (config.speech == "auto" and asks):
            resolve(config.second_segmentation, "segmentation")


def _run_one(config: ExtractConfig) -> int:
    """Be the only process that works, as `start_one_worker` starts it."""
    with garbage_left():
        from diar.jobs.extract.run import run_alone

    end_with_parent()
    return run_alone(config, lambda layout, statistics: None)


def _run_rank(config: ExtractConfig) -> int:
    """Be a rank, in its own process; the launcher starts it before anybody has imported what ranks need."""
    with garbage_left():
        from diar.jobs.extract.run import run_rank

    return run_rank(config)
