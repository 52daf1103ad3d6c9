"""`diar demo`."""

from __future__ import annotations

from collections.abc import Sequence

from diar.demo.config import DemoConfig
from diar.errors import EXIT_OK
from diar.options.command import run_command
from diar.options.places import check_writable

DESCRIPTION = """\
Make a labelled archive by speech synthesis: speakers recorded one after the other, and conversations among
them. Writes OUT/audio, OUT/truth.csv (whose file), OUT/truth.rttm (who speaks when) and
OUT/truth.seglst.json (who says what)."""

EPILOG = """\
examples:
  diar demo OUT
  diar demo OUT --speakers 3 --files 10 --conversations 0 --seed 1
  diar extract --input_dir OUT/audio --output_dir E
  diar detect --embeddings_dir E --output_dir R
  diar score boundaries OUT/truth.csv R/speaker_boundary_detection_result.json"""


def main(arguments: Sequence[str], prog: str = "diar demo") -> int:
    """Run `diar demo` and return the exit code."""
    return run_command(_make_demo, DemoConfig, arguments, prog=prog, description=DESCRIPTION, epilog=EPILOG)


def _make_demo(config: DemoConfig) -> int:
    from diar.demo.archive import synthesise_archive

    check_writable("out", str(config.out))
    summary = synthesise_archive(
        config.out,
        speakers=config.speakers,
        files_per_speaker=config.files,
        conversations=config.conversations,
        seed=config.seed,
    )
    print(summary)
    return EXIT_OK
