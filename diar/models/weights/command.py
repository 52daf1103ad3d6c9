"""`diar models list`, `diar models fetch`, `diar models show` and `diar models register`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import diar
from diar.errors import EXIT_OK
from diar.models.weights import hub
from diar.models.weights.config import (
    FetchModelConfig,
    ListModelsConfig,
    RegisterModelConfig,
    ShowModelConfig,
)
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

REGISTER_DESCRIPTION = """\
Register a speaker encoder or a segmentation model with MLflow: its files with their checksums, a card, its
licence, and what it achieves. It is then opened by --model models:/NAME/VERSION or models:/NAME@ALIAS, and
`mlflow models serve` serves it."""

REGISTER_EPILOG = """\
examples:
  {prog} campplus-zh-en --name speakers --alias champion --mlflow http://127.0.0.1:5000
  {prog} my_model --name speakers --licence Apache-2.0 --scores eer/VoxCeleb1-O=0.66% der/AMI=der.json
  MLFLOW_TRACKING_URI=http://127.0.0.1:5000 diar extract --model models:/speakers@champion …"""


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


def register_model(arguments: Sequence[str], prog: str = "diar models register") -> int:
    """Run `diar models register` and return the exit code."""
    epilog = REGISTER_EPILOG.format(prog=prog)
    return run_command(
        _register, RegisterModelConfig, arguments, prog=prog, description=REGISTER_DESCRIPTION, epilog=epilog
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


def _register(config: RegisterModelConfig) -> int:
    from diar.connectors.mlflow.registry import ModelFiles, register, set_alias
    from diar.connectors.mlflow.server import server_of
    from diar.models.weights.registering import beside_weights, find_model, parse_scores

    server, scores = server_of(config.mlflow), parse_scores(config.scores)
    found = find_model(config.model, config.licence)
    own = found.folder / "README.md"
    path = config.card or (own if own.is_file() else None)
    text = None if path is None else path.read_text(encoding="utf-8")
    others = beside_weights(found, config.name, scores, text)
    told = {"licence": found.licence, "registered_from": config.model, "diar": diar.__version__}
    files = ModelFiles(found.kind, found.files, found.sha256(), others)
    version = register(server, config.name, files, told, scores, config.mlflow_experiment)
    for alias in config.alias:
        set_alias(server, version, alias)
    print(version.uri)
    for alias in config.alias:
        print(f"models:/{config.name}@{alias}")
    return EXIT_OK
