"""`diar fuse`: score fusion of two encoders."""

from __future__ import annotations

from collections.abc import Sequence

from diar.errors import EXIT_FAILURES, EXIT_OK
from diar.jobs.fuse.config import FuseConfig
from diar.jobs.fuse.fuse import Fusion
from diar.jobs.left_out import tell_left_out
from diar.jobs.ranks.lock import run_lock
from diar.options.command import run_command
from diar.options.places import check_writable
from diar.store.layout import Layout
from diar.wording import counted

DESCRIPTION = """\
Fuse two encoders: make one extraction of two, which stage 1 made of the same recordings with the same options
but --model. The cosine of its embeddings is the weighted mean of both cosines. All commands read it as they
read any extraction. Two encoders tell voices better apart where they err differently; thresholds of the
defaults are those of campplus-zh-en, so compare on labelled recordings (`diar tune`) before relying on it."""

EPILOG = """\
examples:
  {prog} --first E_A --second E_B --output_dir E
  {prog} --first E_A --second E_B --output_dir E --weight 0.7
  diar train plda --embeddings_dir E --turns R --output_file plda.npz
  diar detect --embeddings_dir E --output_dir R2 --task turns --plda plda.npz

exit codes: 0 done; 3 done, some recordings are missing or not the same in both (`diar status E --failures`
lists those of the first); 2 an error. Run it again after an interruption, or when such recordings are mended:
what is done stays."""


def main(arguments: Sequence[str], prog: str = "diar fuse") -> int:
    """Run the command and return its exit code."""
    epilog = EPILOG.format(prog=prog)
    return run_command(_fuse, FuseConfig, arguments, prog=prog, description=DESCRIPTION, epilog=epilog)


def _fuse(config: FuseConfig) -> int:
    check_writable("output_dir", config.output_dir)
    fusion = Fusion(config)
    _ = fusion.settings  # do they fit, before anything is written?
    with run_lock(Layout(config.output_dir).lock, first=True):
        fused = fusion.run()
    print(f"{counted(fused.done, 'recording')} of {fusion.metadata['model']} -> {config.output_dir}")
    tell_left_out(fused.failed)
    return EXIT_FAILURES if fused.failed else EXIT_OK
