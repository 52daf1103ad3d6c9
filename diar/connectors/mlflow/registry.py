"""Models in MLflow's registry: registered with their card and checksums, opened by version or alias.

A version that `diar models register` has made names its files and their SHA-256 in a tag. Whoever opens it
checks what came; nothing else of it is read.
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diar.connectors.mlflow import artifacts
from diar.connectors.mlflow.runs import FINISHED, RemoteRun
from diar.connectors.mlflow.server import THERE_ALREADY, Server, TrackingError, server_of

SCHEME = "models:/"
FILES_TAG, KIND_TAG = "diar.files", "diar.kind"
WEIGHTS_FOLDER = "weights"
_FOLDER = "model"  # of a run's artifacts
_LONGEST = 5_000  # characters of a description
_BLOCK = 1 << 20
_URI = re.compile(r"models:/([^/@:]{1,200})(?:/([0-9]{1,9})|@([A-Za-z][\w.-]{0,99}))")
_FILE_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,99}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class ModelFiles:
    """What is registered.

    Attributes:
        kind: such as `speaker encoder`.
        weights: files of the model directory, by name.
        sha256: of these.
        others: files beside the model directory, such as the card, by name.
    """

    kind: str
    weights: Mapping[str, Path]
    sha256: Mapping[str, str]
    others: Mapping[str, bytes]


@dataclass(frozen=True)
class Version:
    """One version of a registered model."""

    name: str
    number: str
    source: str  # where its artifacts are
    tags: Mapping[str, str]

    @property
    def uri(self) -> str:
        """Name that always means this version."""
        return f"{SCHEME}{self.name}/{self.number}"

    @property
    def kind(self) -> str:
        """What it is, such as `speaker encoder`."""
        return self.tags.get(KIND_TAG, "")

    @property
    def files(self) -> dict[str, str]:
        """SHA-256 of the model directory's files, by name.

        Raises:
            TrackingError: it was registered by something else, or the tag is damaged.
        """
        try:
            found = json.loads(self.tags[FILES_TAG])
            good = all(_FILE_NAME.fullmatch(name) and _SHA256.fullmatch(sha) for name, sha in found.items())
        except (KeyError, ValueError, AttributeError, TypeError):
            good = False
        if not good or not found:
            raise TrackingError(f"{self.uri} was not registered by `diar models register`")
        return dict(found)


def find_version(model: str, server: Server | None = None) -> Version:
    """Return the version that `models:/NAME/NUMBER` or `models:/NAME@ALIAS` stands for.

    Args:
        model: one of these.
        server: None = the one that MLFLOW_TRACKING_URI names.

    Raises:
        TrackingError: it is none of these, there is no such version, or the server does not answer.
    """
    parts = _URI.fullmatch(model)
    if parts is None:
        raise TrackingError(f"{model} is neither models:/NAME/VERSION nor models:/NAME@ALIAS")
    name, number, alias = parts.groups()
    server = server or server_of(None)
    try:
        if alias is not None:
            found = server.get("registered-models/alias", {"name": name, "alias": alias})
        else:
            found = server.get("model-versions/get", {"name": name, "version": number})
    except TrackingError as error:
        raise TrackingError(f"{model}: {error}", error.code, away=error.away) from None
    return _version(server, found)


def fetch(model: str, folder: Path) -> tuple[Version, Path]:
    """Return a version and its model directory, which is fetched into `folder` unless it is there.

    Raises:
        TrackingError: it cannot be found or fetched, or files are not what was registered.
        OSError: `folder` cannot be written to.
    """
    server = server_of(None)
    version = find_version(model, server)
    files = version.files
    digest = hashlib.sha256("".join(f"{name} {files[name]}\n" for name in sorted(files)).encode()).hexdigest()
    target = folder / f"mlflow-{digest[:16]}"
    if all(_is(target / name, sha) for name, sha in files.items()):
        return version, target
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".mlflow-") as temporary:
        for name, sha in files.items():
            path = Path(temporary) / name
            with path.open("wb") as file:
                artifacts.download(server, version.source, f"{WEIGHTS_FOLDER}/{name}", file)
            if not _is(path, sha):
                raise TrackingError(f"{version.uri}: {name} is another file than was registered")
        target.mkdir(exist_ok=True)
        for name in files:
            (Path(temporary) / name).replace(target / name)
    return version, target


def register(
    server: Server,
    name: str,
    files: ModelFiles,
    told: Mapping[str, str],
    scores: Mapping[str, float],
    experiment: str,
) -> Version:
    """Register a new version of a model.

    Args:
        server: that gets it.
        name: of the model, which is made where it is missing.
        files: of this version.
        told: of the model, such as its licence; tags of the version and parameters of its run.
        scores: such as `eer/VoxCeleb1-O`; figures of the run and tags of the version.
        experiment: gets the run that holds the files.

    Raises:
        TrackingError: the server does not answer, or refuses.
    """
    try:
        server.post("registered-models/create", {"name": name})
    except TrackingError as error:
        if error.code != THERE_ALREADY:
            raise
    run = RemoteRun.begin(server, experiment, f"register {name}", {"diar.command": "models register"})
    run.parameters(told)
    run.metrics(scores)
    for file, path in files.weights.items():
        run.artifact(f"{_FOLDER}/{WEIGHTS_FOLDER}/{file}", path)
    for file, content in files.others.items():
        run.artifact(f"{_FOLDER}/{file}", content)
    run.end(FINISHED)
    shown = {key: f"{value:g}" for key, value in scores.items()}
    tags = {**told, **shown, KIND_TAG: files.kind, FILES_TAG: json.dumps(dict(files.sha256))}
    values = {
        "name": name,
        "source": f"{run.artifact_uri}/{_FOLDER}",
        "run_id": run.id,
        "tags": [{"key": key, "value": value} for key, value in tags.items()],
        "description": files.others["README.md"].decode("utf-8", "replace")[:_LONGEST],
    }
    return _version(server, server.post("model-versions/create", values))


def set_alias(server: Server, version: Version, alias: str) -> None:
    """Let an alias stand for a version, whatever it stood for before; raises TrackingError."""
    server.post("registered-models/alias", {"name": version.name, "alias": alias, "version": version.number})


def _is(path: Path, sha256: str) -> bool:
    """Return whether a file is there, and the right one."""
    if not path.is_file():
        return False
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest() == sha256


def _version(server: Server, answer: Mapping[str, Any]) -> Version:
    record = server.part(answer, "model_version")
    name, number, source = (str(server.part(record, part)) for part in ("name", "version", "source"))
    tags = {server.part(tag, "key"): server.part(tag, "value") for tag in record.get("tags", ())}
    return Version(name, number, source, tags)
