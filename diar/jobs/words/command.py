"""The `diar words` command: arguments → WordsConfig → ranks → files."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from diar.asr.addresses import checked_address, is_endpoint
from diar.errors import EXIT_FAILURES, EXIT_OK
from diar.formats.names import read_names
from diar.formats.words.table import FORMATS
from diar.jobs.ranks.processes import started_by_torchrun, worker_context
from diar.jobs.tracked.ranks import run_tracked_ranks
from diar.jobs.watching import watched_ranks
from diar.jobs.words.config import WordsConfig
from diar.options.command import run_command
from diar.spawning import usable_cores
from diar.store.words import WordsLayout

DESCRIPTION = """\
What was said in an archive, and by whom: words with times and speakers.

First the speech that stage 1 found is recognised, on all GPUs or cores. That is done once, is resumed after
any interruption. The words are stored beside the embeddings (E/_words). Then each word gets the speaker of
stage 2's turns, which takes seconds and can be repeated with another result. Started by torchrun, it joins as
one of its ranks."""

EPILOG = """\
examples:
  {prog} --embeddings_dir E --result R
  {prog} --embeddings_dir E --result R --asr whisper-base --format json,srt,vtt
  {prog} --embeddings_dir E --asr http://127.0.0.1:8000/v1 --asr_model whisper-large-v3
  torchrun --nproc-per-node 4 -m diar words --embeddings_dir E --result R

formats:
"""

_EXIT = """
exit codes: 0 all done; 3 done, some recordings failed (listed with their reason); other: not finished."""


def main(arguments: Sequence[str], prog: str = "diar words") -> int:
    """Run the command and return its exit code."""
    formats = "".join(f"  {name:9} {one.file_name:20} {one.what}\n" for name, one in FORMATS.items())
    epilog = EPILOG.format(prog=prog) + formats + _EXIT
    return run_command(_words, WordsConfig, arguments, prog=prog, description=DESCRIPTION, epilog=epilog)


def _words(config: WordsConfig) -> int:
    if is_endpoint(config.asr):
        checked_address(config.asr)
    if config.dry_run:
        from diar.jobs.words.dry_run import print_dry_run

        print_dry_run(config)
        return EXIT_OK
    if config.names is not None and config.result is not None:
        from diar.outputs.called import called_now
        from diar.outputs.remote_output import working_copy

        with working_copy(config.result, change=False) as folder:
            called_now(Path(folder), read_names(config.names))  # refused before hours of recognition
    layout = WordsLayout(config.embeddings_dir)
    work = partial(watched_ranks, config, "words", layout, partial(_run, config))
    return run_tracked_ranks(config, "words", layout, work)


def _run(config: WordsConfig) -> int:
    """Do the job as a rank of torchrun, or by workers; return the exit code."""
    if started_by_torchrun():
        code = _run_rank(config)
        return EXIT_OK if code == EXIT_FAILURES else code
    return _start_workers(config)


def _start_workers(config: WordsConfig) -> int:
    worker_context()  # its server imports torch while this process does other things
    from diar.jobs.ranks.launcher import launch
    from diar.models.weights.hub import resolve

    if config.recognises_here:
        resolve(config.asr, "asr")  # once for all ranks
    return launch(
        _run_rank,
        config,
        workers=_count_workers,
        cores=usable_cores(),
        max_restarts=config.max_restarts,
        grace=config.grace,
        port=config.port,
    )


def _count_workers(config: WordsConfig) -> int:
    """Count the processes to start, in another process than the launcher, which does without torch."""
    from diar.models.device import count_gpus, count_workers, device_kind

    kind = device_kind(config.device, config.gpus) if config.recognises_here else "cpu"
    if kind == "cuda" and config.workers is None:
        return count_gpus(config.gpus)  # batches keep one busy; each worker would hold weights of its own
    return count_workers(kind, config.gpus, config.workers)


def _run_rank(config: WordsConfig) -> int:
    from diar.jobs.words.run import run_rank

    return run_rank(config)
