"""A made-up conversation, diarized, recognised and scored by the product's own commands: DER and cpWER.

    python benchmarks/voices_conversation.py --work FOLDER [--minutes 20] [--people 4] [--seed 0] [MORE …]

Makes FOLDER/talk by `diar voices make` (MORE are its options, such as --room meeting), then stage 1, stage 2
and `diar words` with their defaults. What is made already is used again. Prints what `diar score der` and
`diar score words` print.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from running import timed


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--people", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    options, more = parser.parse_known_args()
    talk, stage_1, result = (options.work.resolve() / name for name in ("talk", "embeddings", "result"))
    asked = ["--minutes", options.minutes, "--people", options.people, "--seed", options.seed]
    if not (talk / "made.json").exists():  # written last
        run("made", "voices", "make", talk, *asked, *more)
    run("stage 1", "extract", "--input_dir", talk / "audio", "--output_dir", stage_1)
    run("stage 2", "detect", "--embeddings_dir", stage_1, "--output_dir", result, "--task", "turns")
    run("words", "words", "--embeddings_dir", stage_1, "--result", result)
    run("DER", "score", "der", "--reference", talk / "truth.rttm", "--hypothesis", result)
    run("words", "score", "words", talk / "truth.seglst.json", result)


def run(what: str, *arguments: object) -> None:
    """Run a command of diar and print what it prints."""
    done = timed("-m", "diar", *arguments)
    print(f"{what} ({done.cpu_seconds:.0f} CPU s)\n{done.output}", flush=True)


if __name__ == "__main__":
    main()
