"""`diar models list`, `diar models fetch` and `diar models show`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from diar.errors import EXIT_OK
from diar.models.weights import hub
from diar.models.weights.config import FetchModelConfig, ListModelsConfig, ShowModelConfig
from diar.options.command import run_command

LIST_DESCRIPTION = "Names of weights, their licences, and whether each is in the cache."

FETCH_DESCRIPTION = """\
Bring named weights into the cache, check them, and print their model directories, one a line. Without a name:
all that the defaults need; after that nothing needs a network. What is in the cache already is only checked.
The cache is $DIAR_CACHE, else the user's cache folder."""

FETCH_EPILOG = """\
examples:
  diar models fetch
  diar models fetch campplus-zh-en,segmentation-3.0
  diar extract --input_dir /archive --output_dir E --model_dir "$(diar models fetch campplus-zh-en)" """

SHOW_DESCRIPTION = "Everything known about named weights: sources, checksum, place in the cache, config.yaml."

SHOW_EPILOG = """\
example:
  diar models show campplus-zh-en"""


def list_models(arguments: Sequence[str], prog: str = "diar models list") -> int:
    """Run `diar models list` and return the exit code."""
    return run_command(_list, ListModelsConfig, arguments, prog=prog, description=LIST_DESCRIPTION)


def fetch_model(arguments: Sequence[str], prog: str = "diar models fetch") -> int:
    """Run `diar models fetch` and return the exit code."""
    return run_command(
        _fetch, FetchModelConfig, arguments, prog=prog, description=FETCH_DESCRIPTION, epilog=FETCH_EPILOG
    )


def show_model(arguments: Sequence[str], prog: str = "diar models show") -> int:
    """Run `diar models show` and return the exit code."""
    return run_command(
        _show, ShowModelConfig, arguments, prog=prog, description=SHOW_DESCRIPTION, epilog=SHOW_EPILOG
    )


def _list(config: ListModelsConfig) -> int:
    print(hub.format_list())
    return EXIT_OK


def _fetch(config: FetchModelConfig) -> int:
    for name in config.names:
        there = name in hub.NAMED_MODELS and hub.is_cached(hub.NAMED_MODELS[name])
        folder = hub.fetch(name)
        print(f"{name}: {'was in the cache already' if there else 'fetched'}", file=sys.stderr)
        print(folder, flush=True)
    return EXIT_OK


def _show(config: ShowModelConfig) -> int:
    print(hub.format_description(config.name))
    return EXIT_OK
