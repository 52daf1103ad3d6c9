"""A model directory as a version of a registered model: what it consists of, its card, and what serves it."""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

import diar
from diar.errors import explain
from diar.models.weights import hub
from diar.models.weights.checksum import file_sha256
from diar.models.weights.named_models import NAMED_MODELS
from diar.models.weights.registered import KINDS
from diar.models.weights.sources import HubError

_WEIGHTS = {"avg_model.pt": "model", "segmentation.pt": "segmentation", "pytorch_model.bin": "segmentation"}
_CONFIGS = (hub.CONFIG_FILE, "config.json", "config.toml", "pruned_config.json")  # that a folder may have
_SCORE = re.compile(r"((?:eer|mindcf|der|jer)/[A-Za-z0-9][\w.+-]{0,60})=(.+)")
_MOST = 10.0  # of a rate: a thousand per cent; more is a mistake
# As pandas gives it to a served model; MLflow checks requests by it
_INPUTS = [
    {"type": "string", "name": "audio", "required": True},
    {"type": "long", "name": "num_speakers", "required": False},
]


@dataclass(frozen=True)
class Found:
    """What is to be registered.

    Attributes:
        option: that takes such a model, `model` or `segmentation`.
        folder: the model directory.
        files: of it, those that belong to the model.
        licence: of the weights.
        described: by whom, or what it is, in a few words.
    """

    option: str
    folder: Path
    files: Mapping[str, Path]
    licence: str
    described: str

    @property
    def kind(self) -> str:
        """Such as `speaker encoder`."""
        return KINDS[self.option]

    def sha256(self) -> dict[str, str]:
        """Return the checksums of the files, by name."""
        return {name: file_sha256(path) for name, path in self.files.items()}


def find_model(model: str, licence: str | None) -> Found:
    """Find a model and open it, so that only what works is registered.

    Args:
        model: named weights, a model directory, or a Hugging Face id.
        licence: of the weights; None = as the catalogue of named weights says.

    Raises:
        DiarError: it cannot be found or opened, is of another kind, or nobody says its licence.
    """
    from diar.models.open import open_encoder, open_segmentation

    named = NAMED_MODELS.get(model)
    option = "model"
    if named is not None:
        option = next((name for name, kind in KINDS.items() if kind == named.kind), "")
        if not option:
            raise HubError(
                f"`model={model}`: a {named.kind} cannot be registered, only {' and '.join(KINDS.values())}"
            )
    folder = hub.resolve(model, option)
    weights = next((name for name in _WEIGHTS if (folder / name).is_file()), None)
    if weights is None:
        raise HubError(f"{folder} is no model directory: it has none of {', '.join(_WEIGHTS)}")
    option = _WEIGHTS[weights]
    (open_encoder if option == "model" else open_segmentation)(str(folder))
    licence = licence or (named.licence if named is not None else None)
    if licence is None:
        raise HubError(
            f"`model={model}`: give its `licence`, such as Apache-2.0; others must know what they may do"
        )
    files = {name: folder / name for name in (*_CONFIGS, weights) if (folder / name).is_file()}
    return Found(option, folder, files, licence, named.description if named is not None else "")


def parse_scores(texts: Iterable[str]) -> dict[str, float]:
    """Return scores such as `eer/VoxCeleb1-O=0.66%` or `der/AMI=der.json` as shares.

    Raises:
        HubError: it is none of these.
    """
    return dict(_score(text) for text in texts)


def _score(text: str) -> tuple[str, float]:
    parts = _SCORE.fullmatch(text)
    if parts is None:
        raise HubError(f"`scores`: {text} is not METRIC/SET=VALUE; metrics are eer, mindcf, der, jer")
    name, value = parts.groups()
    if value.endswith(".json"):
        number = _score_of_file(name, Path(value))
    else:
        try:
            number = float(value.removesuffix("%")) / (100 if value.endswith("%") else 1)
        except ValueError:
            raise HubError(
                f"`scores`: {text}: a share, per cent (6.6%) or a JSON file of `diar score der`"
            ) from None
    if not 0 <= number <= _MOST:
        raise HubError(f"`scores`: {text}: a share is needed, such as 0.066, or per cent as 6.6%")
    return name, number


def _score_of_file(name: str, path: Path) -> float:
    metric = name.partition("/")[0]
    try:
        return float(json.loads(path.read_text(encoding="utf-8"))["pooled"][metric])
    except OSError as error:
        raise HubError(f"`scores`: {explain(error)}") from None
    except (ValueError, KeyError, TypeError):
        raise HubError(f"`scores`: {path} has no {metric}; it must be the JSON of `diar score der`") from None


def card(found: Found, name: str, scores: Mapping[str, float], given: str | None) -> str:
    """Return the card: what others wrote of the model, if anything, and what is known of it here."""
    facts = {
        "kind": found.kind,
        "licence": found.licence,
        **({"what": found.described} if found.described else {}),
        **{f"sha256 of {file}": sha for file, sha in found.sha256().items()},
        **{metric: f"{100 * value:.2f} %" for metric, value in scores.items()},
        "registered by": f"diar {diar.__version__}",
    }
    table = "\n".join(["| | |", "|---|---|", *(f"| {key} | {value} |" for key, value in facts.items())])
    opener = "open_encoder" if found.option == "model" else "open_segmentation"
    use = f'    diar.{opener}("models:/{name}@ALIAS")'
    return "\n\n".join([*([given.strip()] if given else [f"# {name}"]), table, use]) + "\n"


def beside_weights(
    found: Found, name: str, scores: Mapping[str, float], given: str | None
) -> dict[str, bytes]:
    """Return the files beside the model directory: the card, and what lets `mlflow models serve` serve it."""
    text = card(found, name, scores, given)
    requirements = f"diar=={diar.__version__}\nmlflow>=3\n"
    flavor = {
        "loader_module": "diar.connectors.mlflow.served",
        "data": "weights",
        "python_version": platform.python_version(),
        "env": {"virtualenv": "python_env.yaml"},
    }
    model = {
        "flavors": {"python_function": flavor, "diar": {"kind": found.kind, "version": diar.__version__}},
        "signature": {"inputs": json.dumps(_INPUTS), "outputs": None, "params": None},
    }
    environment = {"python": platform.python_version(), "dependencies": ["-r requirements.txt"]}
    return {
        "README.md": text.encode(),
        "MLmodel": yaml.safe_dump(model, sort_keys=False).encode(),
        "python_env.yaml": yaml.safe_dump(environment, sort_keys=False).encode(),
        "requirements.txt": requirements.encode(),
    }
