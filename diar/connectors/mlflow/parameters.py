"""Options and versions as parameters of a run: all of them, without what would let somebody in."""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping
from importlib import metadata
from typing import Any

import diar
from diar.options.base import CommandConfig, options_of
from diar.options.tracking import TRACKING_OPTIONS

_SECRET = frozenset({"encryption_key"})  # whose value may be a key, or say where one is
_LONGEST = 500  # characters of a value, which every version of MLflow takes
_PACKAGES = ("torch", "numpy", "scipy", "pyarrow")
_LOGIN = re.compile(r"(?<=://)[^/@\s]+@")  # of a URL
_QUERY = re.compile(r"(?<=\?)\S+")  # of a URL that is signed
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://")


def option_parameters(config: CommandConfig) -> dict[str, str]:
    """Return all options of a command, those at their default, too."""
    attributes = {field.alias or name: name for name, field in type(config).model_fields.items()}
    values = {name: getattr(config, attributes[name]) for name in options_of(type(config))}
    return {name: _text(name, value) for name, value in values.items() if name not in TRACKING_OPTIONS}


def version_parameters() -> dict[str, str]:
    """Return the versions of diar, Python and what numbers depend on; nothing is imported for it."""
    found = {"diar": diar.__version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return {f"version.{name}": version for name, version in found.items()}


def text_parameters(values: Mapping[str, Any]) -> dict[str, str]:
    """Return other values, such as fingerprints, as parameters."""
    return {name: _text(name, value) for name, value in values.items()}


def _text(name: str, value: Any) -> str:
    if name in _SECRET:
        return "none" if value is None else "given"
    if isinstance(value, list | tuple):
        text = ",".join(map(str, value))
    else:
        text = "none" if value is None else str(value)
    if _URL.match(text):
        text = _QUERY.sub("…", _LOGIN.sub("", text))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
