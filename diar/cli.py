"""The `diar` command: a table of commands, each imported only when it is called."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

import diar
from diar.errors import EXIT_CODES, EXIT_ERROR, EXIT_OK
from diar.options.terminal import print_all_characters
from diar.wording import nearest

# name → module:function, and what it does
COMMANDS = {
    "diarize": ("diar.jobs.diarize.command:main", "who speaks when, in a file or a folder: both stages"),
    "extract": (
        "diar.jobs.extract.command:main",
        "stage 1: audio archive to embeddings",
    ),
    "detect": (
        "diar.jobs.detect.command:main",
        "stage 2: embeddings to speakers and turns",
    ),
    "sweep": ("diar.jobs.sweep.command:main", "which settings of stage 2 suit recordings with known turns"),
    "tune": (
        "diar.jobs.tune.command:main",
        "thresholds of stage 2 for an archive, and how sure that is",
    ),
    "fuse": ("diar.jobs.fuse.command:main", "one extraction of two, by two encoders: score fusion"),
    "train plda": ("diar.jobs.train.command:plda", "a PLDA model from embeddings whose speakers are known"),
    "train norm": ("diar.jobs.train.norm:norm", "a cohort of people by which comparisons are normalised"),
    "words": ("diar.jobs.words.command:main", "what was said, and by whom: words with speakers"),
    "plan": ("diar.jobs.cost.command:main", "hours, GPUs, cost and disk of an extraction, before it starts"),
    "status": ("diar.jobs.progress.command:main", "how far an extraction is, and what failed"),
    "verify": ("diar.custody.command:verify", "whether an output is what was written; repair it"),
    "purge": ("diar.custody.command:purge", "remove recordings, or people, from all outputs"),
    "rekey": ("diar.custody.command:rekey", "encrypt outputs with another key"),
    "serve": ("diar.service.command:main", "live diarization and jobs over HTTP and WebSocket"),
    "live": (
        "diar.service.terminal.command:main",
        "send a file or stdin to `diar serve`, show turns as they come",
    ),
    "stream work": (
        "diar.connectors.kafka.command:work",
        "recordings and live audio from Kafka, results to it",
    ),
    "stream produce": ("diar.connectors.kafka.command:produce", "send recordings, or live audio, to Kafka"),
    "stream watch": ("diar.connectors.kafka.command:watch", "show what workers send to Kafka, as it comes"),
    "score boundaries": ("diar.score.command:boundaries", "a stage 2 result against a truth"),
    "score der": ("diar.score.command:der", "who spoke when against a reference: DER, JER"),
    "score words": (
        "diar.score.words.command:main",
        "words with speakers against a reference: WER, cpWER, WDER",
    ),
    "models list": ("diar.models.weights.command:list_models", "named weights, and which are in the cache"),
    "models fetch": ("diar.models.weights.command:fetch_model", "bring named weights into the cache"),
    "models show": ("diar.models.weights.command:show_model", "everything known about named weights"),
    "voices make": ("diar.voices.command:make", "make labelled conversations by speech synthesis"),
    "voices list": ("diar.voices.command:list_voices", "the voices of a synthesizer"),
    "models register": (
        "diar.models.weights.command:register_model",
        "register a model with MLflow, with its card and licence",
    ),
    "export": ("diar.export.command:main", "networks as files for ONNX Runtime, TensorRT, Triton, libtorch"),
    "demo": ("diar.demo.command:main", "make a labelled archive by speech synthesis"),
}
_HELP = ("-h", "--help")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    print_all_characters(sys.stdout)
    try:
        code = _run(arguments)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # `diar status E | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK


def _run(arguments: list[str]) -> int:
    for words in (2, 1):
        name = " ".join(arguments[:words])
        if name in COMMANDS:
            return _command(name, arguments[words:])
    if not arguments or arguments[0] in _HELP:
        print(_help())
        return EXIT_OK
    if arguments[0] == "--version":
        print(f"diar {diar.__version__}")
        return EXIT_OK
    return _explain(arguments)


def _command(name: str, arguments: list[str]) -> int:
    module, function = COMMANDS[name][0].split(":")
    code: int = getattr(importlib.import_module(module), function)(arguments)
    return code


def _explain(arguments: list[str]) -> int:
    """Show the commands that begin with a word, such as `score`; an error unless help was asked for."""
    word, *rest = arguments
    group = [name for name in COMMANDS if name.startswith(f"{word} ")]
    if group and rest and rest[0] in _HELP:
        print(f"usage: diar {word} {{{','.join(name.split()[1] for name in group)}}} …\n\n{_table(group)}")
        return EXIT_OK
    asked = " ".join(arguments[:2] if group else arguments[:1])
    if group and not rest:
        told = f"error: `diar {word}` stands for several commands; say which:"
    else:
        told = f"error: there is no command `diar {asked}`{_meant(asked) or ';'} there are"
    print(f"{told}\n{_table(group)}", file=sys.stderr)
    return EXIT_ERROR


def _meant(asked: str) -> str:
    """Return `, did you mean …?` where a command, or its second word, is like what was asked for."""
    short = {name.split()[-1]: name for name in COMMANDS}
    found = nearest(asked, COMMANDS) or short.get(nearest(asked, short) or "")
    return f"; did you mean `diar {found}`? Otherwise" if found else ""


def _help() -> str:
    codes = "\n".join(f"  {code}  {meaning}" for code, meaning in EXIT_CODES.items())
    return f"""\
usage: diar COMMAND …

Who spoke, in an archive too large to listen to.

commands:
{_table()}

`diar COMMAND --help` explains each, with examples. `diar --version` tells the version.

exit codes:
{codes}"""


def _table(names: Sequence[str] = ()) -> str:
    """One line a command, of all where no names are given."""
    return "\n".join(f"  {name:18} {COMMANDS[name][1]}" for name in names or COMMANDS)
