"""The stage 2 command: arguments → DetectConfig → boundaries, folders, JSON, plot."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from diar.arguments import parse_arguments
from diar.config import DetectConfig
from diar.errors import report_errors

DESCRIPTION = """\
Stage 2: find where one speaker ends and the next begins in an archive recorded in speaker blocks, and make
one folder per speaker. It reads what stage 1 stored, needs no GPU, and can be run again at will."""

EPILOG = """\
examples:
  detect_boundaries.py --embeddings_dir embeddings --output_dir result
  detect_boundaries.py --embeddings_dir E --output_dir R
  detect_boundaries.py --embeddings_dir E --output_dir R --segment_size 1000 --boundary_window 10
  detect_boundaries.py --embeddings_dir E --output_dir R --segment_size 1000 --use_gmm --place copy

Every option can also stand in a YAML file (--config run.yaml) or in the environment, such as
DIAR_DETECT_PLACE=none; a flag wins over the environment, the environment over the file.

exit codes: 0 done; 3 done, some recordings have no embedding (the JSON lists them); other: not finished."""


@report_errors
def main(arguments: Sequence[str], prog: str = "diar detect") -> int:
    """Run stage 2 and return the exit code."""
    config = parse_arguments(DetectConfig, arguments, prog=prog, description=DESCRIPTION, epilog=EPILOG)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    from diar.detect.boundaries.pipeline import detect_boundaries

    result = detect_boundaries(config)
    print(result.summary())
    return 3 if result.not_used else 0
