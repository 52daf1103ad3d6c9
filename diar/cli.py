"""The `diar` command: one door to everything; each sub-command imports only what it needs."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import diar
from diar.errors import report_errors

_COMMANDS = """\
commands:
  extract            stage 1: audio archive to embeddings (extract_embeddings_multigpu.py)
  detect             stage 2: embeddings to speaker folders (detect_boundaries.py)
  plan               hours, GPUs, cost and disk of an extraction, before it starts
  status             how far an extraction is, and what failed
  score boundaries   a stage 2 result against a truth
  score der          who spoke when against a reference: DER, JER
  models             list, fetch or show named weights
  demo               make a labelled archive by speech synthesis

`diar COMMAND --help` explains each."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one sub-command and return the exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    commands: dict[str, Callable[[list[str]], int]] = {
        "extract": _extract,
        "detect": _detect,
        "plan": _plan,
        "status": _status,
        "score": _score,
        "models": _models,
        "demo": _demo,
    }
    parser = argparse.ArgumentParser(
        prog="diar",
        description="Who spoke, in an archive too large to listen to.",
        epilog=_COMMANDS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"diar {diar.__version__}")
    parser.add_argument("command", choices=commands, metavar="COMMAND")
    chosen = parser.parse_args(arguments[:1] or ["--help"]).command
    try:
        code = commands[chosen](arguments[1:])
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # `diar status E | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _extract(arguments: list[str]) -> int:
    from diar.jobs.extract.command import main as extract

    return extract(arguments)


def _detect(arguments: list[str]) -> int:
    from diar.jobs.detect.command import main as detect

    return detect(arguments)


def _plan(arguments: list[str]) -> int:
    from diar.jobs.cost.command import main as plan

    return plan(arguments)


@report_errors
def _status(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="diar status",
        description="How far an extraction is: while it runs, after a crash or at its end.",
    )
    parser.add_argument("output_dir", help="the output_dir of stage 1")
    parser.add_argument("--failures", action="store_true", help="list every recording that failed, and why")
    parser.add_argument(
        "--warnings", action="store_true", help="list what is unusual about recordings, one remark a line"
    )
    options = parser.parse_args(arguments)
    from diar.jobs.progress.status import print_status

    return print_status(options.output_dir, list_failures=options.failures, list_warnings=options.warnings)


def _score(arguments: list[str]) -> int:
    from diar.score.command import main as score

    return score(arguments)


@report_errors
def _models(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="diar models", description="Named weights: what there is, and the cache."
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", help="names, licences and whether each is in the cache")
    for action, text in (
        ("fetch", "bring weights into the cache"),
        ("show", "everything known about weights"),
    ):
        actions.add_parser(action, help=text).add_argument("name", help="a name of `diar models list`")
    options = parser.parse_args(arguments)
    from diar.models.weights import hub

    if options.action == "list":
        print(hub.format_list())
    elif options.action == "fetch":
        print(hub.fetch(options.name))
    else:
        print(hub.format_description(options.name))
    return 0


@report_errors
def _demo(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="diar demo",
        description="Make a labelled archive by speech synthesis: speakers recorded one after the other, and "
        "conversations among them. Writes OUT/audio, OUT/truth.csv (whose file) and OUT/truth.rttm (who "
        "speaks when).",
    )
    parser.add_argument("out", type=Path, help="folder to write to")
    parser.add_argument("--speakers", type=int, default=6, help="different voices [6]")
    parser.add_argument("--files", type=int, default=20, help="files in a block, about [20]")
    parser.add_argument("--conversations", type=int, help="0 to 3, of 2, 3 and 4 speakers [3]")
    parser.add_argument("--seed", type=int, default=0, help="another seed, another archive [0]")
    options = parser.parse_args(arguments)
    from diar.demo.archive import synthesise_archive

    summary = synthesise_archive(
        options.out,
        speakers=options.speakers,
        files_per_speaker=options.files,
        conversations=options.conversations,
        seed=options.seed,
    )
    print(summary)
    return 0
