"""The command of stage 2: boundaries between files, turns inside recordings."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence

from diar.connectors.mlflow.files import result_files
from diar.connectors.mlflow.tracking import Tracking, run_tracked
from diar.detect.presets import preset_values
from diar.errors import EXIT_FAILURES, EXIT_OK, EXIT_UNFINISHED, DiarError
from diar.jobs.detect.config import DetectConfig
from diar.jobs.detect.result_page import page_line
from diar.jobs.detect.without_f2py import keep_f2py_out
from diar.jobs.progress.own import OwnProgress
from diar.jobs.ranks.lock import output_lock
from diar.jobs.tracked.detect import TRACKED_FILES, boundary_figures, stage_1_parameters, turn_figures
from diar.jobs.tracked.ranks import tell_on_stderr
from diar.jobs.watching import Watch, watched
from diar.options.command import run_command
from diar.options.logs import log_from
from diar.options.places import check_writable, refuse_same_place
from diar.outputs.managed_directory import lock_of
from diar.outputs.remote_output import local_output
from diar.store.without_pandas import keep_pandas_out
from diar.wording import counted

DESCRIPTION = """\
Stage 2: who spoke, from what stage 1 stored. It needs no GPU and can be run again at will.
  --task files   an archive recorded in speaker blocks: where one speaker ends and the next begins, and one
                 folder per speaker; files without speech come into no_speech/
  --task turns   conversations: who speaks when inside every recording, with overlap, and the same name for
                 the same person in all of them
  --task all     both"""

EPILOG = """\
examples:
  {prog} --embeddings_dir embeddings --output_dir result
  {prog} --embeddings_dir E --output_dir R --segment_size 1000 --boundary_window 10
  {prog} --embeddings_dir E --output_dir R --segment_size 1000 --use_gmm --place copy
  {prog} --embeddings_dir E --output_dir R --task turns
  {prog} --embeddings_dir E --output_dir R --task turns --num_speakers 2 --preset telephone
  {prog} --embeddings_dir E --output_dir R --task turns --exclusive --speaker_audio clips
  {prog} --embeddings_dir E --output_dir R --task turns --known_speakers ENROLLED

Every option can also stand in a YAML file (--config run.yaml) or in the environment, such as
DIAR_DETECT_PLACE=none; a flag wins over the environment, the environment over the file. Options that only the
task that is not run reads are refused; a YAML file may hold those of both tasks if --task, or the file, names
the task.

{presets}

exit codes: 0 done; 3 done, some recordings failed: no embedding, or tracks that are missing or damaged (the
outputs list them); 1 what stage 1 has finished is done, but recordings of its plan are missing; 2 an error. A
recording without speech is a result, not a failure: it is counted and listed, with the likely reason, and
the code stays 0."""


def main(arguments: Sequence[str], prog: str = "diar detect") -> int:
    """Run stage 2 and return the exit code."""
    epilog = EPILOG.format(prog=prog, presets=_preset_table())
    return run_command(_detect, DetectConfig, arguments, prog=prog, description=DESCRIPTION, epilog=epilog)


def _preset_table() -> str:
    """Return the numbers of `--preset`, a line each."""
    presets = preset_values()
    lines = ["numbers of --preset:", f"  {'':18}" + "".join(f"{name:>11}" for name in presets)]
    for name in next(iter(presets.values())):
        numbers = "".join(f"{values[name]:>11g}" for values in presets.values())
        lines.append(f"  --{name:16}{numbers}")
    return "\n".join(lines)


def _detect(config: DetectConfig) -> int:
    log_from(logging.INFO)
    for driver in ("botocore", "aiobotocore"):  # which tell where they found credentials
        logging.getLogger(driver).setLevel(logging.WARNING)
    keep_pandas_out()
    keep_f2py_out()
    check_writable("output_dir", config.output_dir)
    _check_archive(config)
    with output_lock(lock_of(config.output_dir)), local_output(config.output_dir) as folder:

        def tell(text: str) -> None:
            print(text.replace(folder, config.output_dir))

        own = config.model_copy(update={"output_dir": folder})

        def work(tracking: Tracking) -> int:
            progress = OwnProgress()
            with watched(config, "detect", lambda since: progress) as watch:
                return watch.ended(_detect_into(own, tell, tracking, progress, watch))

        return run_tracked(config, "detect", work, tell_on_stderr)


def _detect_into(
    config: DetectConfig,
    tell: Callable[[str], None],
    tracking: Tracking,
    progress: OwnProgress,
    watch: Watch,
) -> int:
    """Do the tasks, in a local folder; return the exit code."""
    if config.mlflow is not None:
        tracking.parameters(stage_1_parameters(config.embeddings_dir))
    incomplete, warnings, missing = False, [], _missing(config)
    if config.task == "all":
        from diar.jobs.detect.turns import check_options

        check_options(config)  # before the first task writes
    if config.task in ("files", "all"):
        incomplete |= _find_boundaries(config, tell, tracking, watch)
    if config.task in ("turns", "all"):
        from diar.jobs.detect.turns import diarize_archive

        summary = diarize_archive(config, progress)
        watch.result(summary.figures())
        tell(summary.summary())
        tracking.figures(turn_figures(summary))
        incomplete |= summary.failed > 0
        warnings += summary.warnings
    tell(page_line(config.output_dir, warnings))
    tracking.artifacts(result_files(config.output_dir, TRACKED_FILES))
    if missing:
        told = f"stage 1 is not finished, {counted(missing, 'planned recording')} missing"
        print(f"{told}: let it finish, then run this again", file=sys.stderr)
        return EXIT_UNFINISHED
    return EXIT_FAILURES if incomplete else EXIT_OK


def _find_boundaries(
    config: DetectConfig, tell: Callable[[str], None], tracking: Tracking, watch: Watch
) -> bool:
    """Do the task `files`; return whether something is left out."""
    from diar.jobs.detect.boundaries import NothingSaidError, detect_boundaries

    try:
        result = detect_boundaries(config)
    except NothingSaidError as error:
        if config.task == "files":
            raise
        print(f"warning: no boundaries between files: {error}", file=sys.stderr)
        return False  # silence is a result: turns are told of each recording
    tell(result.summary())
    tracking.figures(boundary_figures(result))
    counts = result.counts()
    watch.result({f"diar_result_{name}": [((), counts[name])] for name in ("segments", "boundaries")})
    return bool(result.not_used)


def _missing(config: DetectConfig) -> int:
    """Count the recordings that stage 1 has still to do."""
    from diar.store.layout import Layout
    from diar.store.reader import count_planned, finished_rows

    layout = Layout(config.embeddings_dir)
    return count_planned(layout) - len(finished_rows(layout, ["recording_id"]))


def _check_archive(config: DetectConfig) -> None:
    """Refuse to write results into the folder whose audio stage 1 read."""
    from diar.store.layout import Layout
    from diar.store.reader import read_config

    archive = read_config(Layout(config.embeddings_dir))["input_dir"]
    try:
        refuse_same_place(config.output_dir, {"input_dir": archive})
    except ValueError:
        raise DiarError(
            f"`output_dir={config.output_dir}` is the archive itself, whose audio stage 1 read; give another"
        ) from None
