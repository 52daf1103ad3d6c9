"""The stage 1 command: arguments → ExtractConfig → ranks."""

from __future__ import annotations

from collections.abc import Sequence

from diar.errors import EXIT_FAILURES, EXIT_OK
from diar.jobs.extract.config import ExtractConfig
from diar.jobs.ranks.processes import started_by_torchrun, worker_context
from diar.options.command import run_command
from diar.options.places import check_writable

DESCRIPTION = """\
Stage 1: turn an archive of audio files into speaker embeddings in Parquet.

Started plainly, it starts one worker on each GPU (without one, on each core; --workers says otherwise). One
that dies is started again while the others work on. Started by torchrun, it joins as one of its ranks.
Interrupted in any way, the same command goes on where it was."""

EPILOG = """\
examples:
  {prog} --input_dir /archive --output_dir E
  {prog} --input_dir /archive --output_dir E --gpus 0,1,2,3 --model_dir my_model
  {prog} --input_dir wav.scp --output_dir E --dry_run
  torchrun --nproc-per-node 4 {script} --input_dir /archive --output_dir E

Every option can also stand in a YAML file (--config run.yaml) or in the environment, such as
DIAR_EXTRACT_CHANNEL=0; a flag wins over the environment, the environment over the file.

exit codes: 0 all done; 3 done, some recordings failed (listed with their reason); other: not finished.
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
    check_writable("output_dir", config.output_dir)
    # Importing torch takes seconds, which --help and a wrong flag should not cost
    if started_by_torchrun():
        from diar.jobs.extract.run import run_rank

        code = run_rank(config)
        return EXIT_OK if code == EXIT_FAILURES else code
    return start_workers(config)


def start_workers(config: ExtractConfig) -> int:
    """Do the job by processes that this one starts; return the exit code.

    Raises:
        DiarError: what a user can mend, found before they start.
    """
    worker_context()  # its server imports torch while this process does
    from diar.jobs.extract.networks import open_models
    from diar.jobs.extract.run import run_rank
    from diar.jobs.ranks.launcher import launch
    from diar.models.device import count_workers, device_kind, usable_cores

    open_models(config)  # fetch the weights once, and report errors before workers start
    workers = count_workers(device_kind(config.device, config.gpus), config.gpus, config.workers)
    return launch(
        run_rank,
        config,
        workers=workers,
        cores=usable_cores(),
        max_restarts=config.max_restarts,
        port=config.port,
    )
