"""Fetching weights: named ones, checked by sha256, become model directories in a cache."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs

from diar.extras import require
from diar.models.weights.checksum import file_sha256
from diar.models.weights.named_models import NAMED_MODELS, WEIGHTS_FILE, NamedFile, NamedModel
from diar.models.weights.registered import fetch_registered, is_registered
from diar.models.weights.sources import HubError
from diar.wording import did_you_mean

CONFIG_FILE = "config.yaml"
# Of Hugging Face: encoders, PyanNet, DiariZen, the segmentation in a whole pipeline, Nemotron 3 Diarization
_REPOSITORY_FILES = [
    *(CONFIG_FILE, WEIGHTS_FILE, "segmentation.pt", "pytorch_model.bin"),
    *("config.toml", "pruned_config.json", "segmentation/pytorch_model.bin"),
    *("config.json", "model.safetensors", "processor_config.json", "preprocessor_config.json"),
]
_PIPELINE_FILES = [CONFIG_FILE, "README.md", "segmentation/*.bin", "embedding/*.bin", "plda/*.npz"]
_RECOGNISER_FILES = ["*.json", "*.txt", "*.model", "model.bin", "*.safetensors"]
_KINDS = {
    "model": "speaker encoder",
    "segmentation": "segmentation model",
    "asr": "recogniser",
    "enhance": "denoiser",
    "synthesizer": "synthesizer",
}


def cache_dir() -> Path:
    """Return `$DIAR_CACHE`, else the user's cache folder for diar."""
    return Path(os.environ.get("DIAR_CACHE") or platformdirs.user_cache_dir("diar")).expanduser()


def resolve(model: str, parameter: str = "model") -> Path:
    """Return the model directory of an existing path, a name, or a Hugging Face id (`org/name[@revision]`).

    Args:
        model: one of these, or a registered model, `models:/NAME@ALIAS`.
        parameter: what messages call it.

    Raises:
        HubError: none of these, or it cannot be fetched.
    """
    if is_registered(model):
        return fetch_registered(model, parameter, cache_dir())
    path = Path(model).expanduser()
    if path.is_dir():
        return path
    if model in NAMED_MODELS:
        _check_kind(NAMED_MODELS[model], parameter)
        return fetch(model)
    if model.count("/") == 1 and not model.startswith((".", "/", "~")):
        return _fetch_hugging_face(model, parameter)
    raise HubError(
        f"`{parameter}={model}`: no such directory, and no such name; names are {', '.join(NAMED_MODELS)}, "
        f"a Hugging Face id looks like org/name{did_you_mean(model, NAMED_MODELS)}"
    )


def _check_kind(model: NamedModel, parameter: str) -> None:
    """Refuse a segmentation network as speaker encoder, and so on."""
    if model.kind != _KINDS.get(parameter, "segmentation model"):
        option = next(option for option, kind in _KINDS.items() if kind == model.kind)
        raise HubError(f"`{parameter}={model.name}`: that is a {model.kind}, which `{option}` takes")


def fetch(name: str) -> Path:
    """Return the model directory of named weights: the cached one, else fetched from the first good source.

    The cached file is checked as well, since hashing it takes less time than loading it.

    Raises:
        HubError: unknown name, or no source gave the right file; says what was tried.
    """
    model = _named(name)
    folder = _cached(model)
    if is_cached(model):
        return folder
    with (
        _cache_folder(folder.parent),
        tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{name}-") as temporary,
    ):
        complete = Path(temporary) / "complete"
        complete.mkdir()
        for file in model.files:
            _fetch_file(model, file, complete / file.name)
        (complete / CONFIG_FILE).write_text(model.config, encoding="utf-8")
        _publish(model, complete)
    return folder


@contextmanager
def _cache_folder(folder: Path) -> Iterator[None]:
    """Make the cache; remove again what is new of its path if the block fails to fill it."""
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        for path in new:
            if any(path.iterdir()):
                break
            path.rmdir()
        raise


def is_cached(model: NamedModel) -> bool:
    """Return whether the cache holds all files with the right content."""
    folder = _cached(model)
    names = [CONFIG_FILE, *(file.name for file in model.files)]
    if not all((folder / name).is_file() for name in names):
        return False
    if (folder / CONFIG_FILE).read_text(encoding="utf-8") != model.config:
        return False
    return all(file_sha256(folder / file.name) == file.sha256 for file in model.files)


def weights_bytes(model: str | None) -> int:
    """Return the size of the encoder's weights in a model directory; 0 for all that has to be fetched."""
    file = Path(model or "").expanduser() / WEIGHTS_FILE
    return file.stat().st_size if model and file.is_file() else 0


def format_list() -> str:
    """Format one line a named model, for `diar models list`."""
    lines = [
        f"{model.name:20} {'cached' if is_cached(model) else '-':7} {model.licence:11} {model.description}"
        for model in NAMED_MODELS.values()
    ]
    return "\n".join([f"{'name':20} {'cache':7} {'licence':11} what it is", *lines])


def format_description(name: str) -> str:
    """Format everything known about a named model, for `diar models show`.

    Raises:
        HubError: unknown name.
    """
    model = _named(name)
    state = "fetched, checksum is right" if is_cached(model) else "not fetched yet"
    lines = [
        f"name      {model.name}",
        f"what      {model.description}",
        f"licence   {model.licence}",
        f"sha256    {model.sha256}",
        f"cache     {_cached(model)} ({state})",
        "sources   " + "\n          ".join(str(source) for file in model.files for source in file.sources),
        "config.yaml",
        *(f"  {line}" for line in model.config.splitlines()),
    ]
    return "\n".join(lines)


def _named(name: str) -> NamedModel:
    if name not in NAMED_MODELS:
        near = did_you_mean(name, NAMED_MODELS)
        raise HubError(f"no weights are called {name!r}; names are {', '.join(NAMED_MODELS)}{near}")
    return NAMED_MODELS[name]


def _cached(model: NamedModel) -> Path:
    # The checksum is in the path, so that other weights or another config never use an old folder
    others = "".join(file.sha256 for file in model.more)
    digest = hashlib.sha256((model.sha256 + others + model.config).encode()).hexdigest()
    return cache_dir() / f"{model.name}-{digest[:8]}"


def _fetch_file(model: NamedModel, file: NamedFile, target: Path) -> None:
    """Write a checked file to `target`; one put into the cache by hand comes first."""
    by_hand = _cached(model) / file.name
    if by_hand.is_file() and file_sha256(by_hand) == file.sha256:
        shutil.copyfile(by_hand, target)
        return
    tried = []
    for source in file.sources:
        try:
            source.fetch(target)
            found = file_sha256(target)
        except HubError as error:
            tried.append(f"  {source}: {error}")
            continue
        if found == file.sha256:
            return
        tried.append(f"  {source}: another file, its sha256 is {found}")
    what = "the weights" if file.name == model.weights_file else f"{file.name} of"
    raise HubError(
        f"{what} {model.name} could not be fetched; tried\n"
        + "\n".join(tried)
        + f"\nGet the file (sha256 {file.sha256}) on any machine, put it here as {by_hand}, and run again"
    )


def _publish(model: NamedModel, complete: Path) -> None:
    folder = _cached(model)
    try:
        complete.rename(folder)
    except OSError:
        if is_cached(model):
            return  # another process was faster
        if not folder.is_dir():
            raise
        for name in (*(file.name for file in model.files), CONFIG_FILE):  # a damaged or unfinished folder
            (complete / name).replace(folder / name)


def _fetch_hugging_face(model: str, parameter: str) -> Path:
    asked = f"`{parameter}={model}`: no such directory; a Hugging Face id"
    huggingface_hub = require("huggingface_hub", "hub", asked, HubError)
    repository, _, revision = model.partition("@")

    def fetched(files: list[str]) -> Path:
        return Path(
            huggingface_hub.snapshot_download(repository, revision=revision or None, allow_patterns=files)
        )

    try:
        if parameter != "asr":
            return fetched(_PIPELINE_FILES if parameter == "pipeline" else _REPOSITORY_FILES)
        folder = fetched(_RECOGNISER_FILES)
        has_weights = any([*folder.glob("*.safetensors"), *folder.glob("model.bin")])
        return folder if has_weights else fetched([*_RECOGNISER_FILES, "pytorch_model*.bin"])
    except (OSError, ValueError, huggingface_hub.errors.HfHubHTTPError) as error:
        reason = " ".join(str(error).split())
        raise HubError(
            f"`{parameter}={model}`: cannot be fetched from Hugging Face and is not in its cache: {reason}"
        ) from None
