"""YAML, JSON and TOML that others wrote: parsed in bounded time and memory, or refused with the reason.

The first two do not bound what a few bytes may ask for: a YAML alias stands for all that its anchor holds,
and so a kilobyte for gigabytes; a number of base 60 or of 5,000 digits takes seconds; brackets nest without
end.
"""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path
from typing import Any

_LARGEST = 256_000  # bytes; a configuration has a thousandth of that
_MOST_NODES = 100_000  # of YAML, aliases counted as what they stand for
_DEEPEST_YAML = 64
_LONGEST_INTEGER = 20  # digits; longer ones become floating-point numbers
_SHOWN = 300  # characters of a reason


def from_json(text: str | bytes) -> Any:
    """Parse JSON; whole numbers of over 20 digits become floating-point numbers, which may be infinite.

    Raises:
        ValueError: not JSON (`json.JSONDecodeError` with the place), or nested too deeply.
    """
    try:
        return json.loads(text, parse_int=_integer)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _LONGEST_INTEGER else float(digits)


def read_yaml(file: Path) -> Any:
    """Parse a YAML file as `from_yaml` does.

    Raises:
        OSError: it cannot be read.
        ValueError: see there; or it is not UTF-8.
    """
    return from_yaml(_read(file))


def read_toml(file: Path) -> dict[str, Any]:
    """Parse a TOML file.

    Raises:
        OSError: it cannot be read.
        ValueError: not TOML, not UTF-8, over 256 kB, or nested too deeply.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    text = _read(file)
    if len(text) > _LARGEST:
        raise ValueError(f"over {_LARGEST // 1000} kB")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _read(file: Path) -> str:
    """Return the text of a file, cut off where it is too long."""
    with file.open("rb") as opened:
        content = opened.read(_LARGEST + 1)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 (byte {error.start})") from None


def from_yaml(text: str) -> Any:
    """Parse YAML; dates and numbers of base 60 (`12:30:00`) stay texts.

    Raises:
        ValueError: not YAML, or more than a configuration needs: over 256 kB, 100,000 values, 64 levels.
    """
    import yaml

    if len(text) > _LARGEST:
        raise ValueError(f"over {_LARGEST // 1000} kB")
    try:
        _check_size(text)
        return yaml.load(text, _loader())  # a SafeLoader
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except (yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
        # PyYAML lets through what its constructors stumble over, such as `!!timestamp x`
        reason = " ".join(str(error).split())[:_SHOWN] or type(error).__name__
        raise ValueError(reason) from None


def _check_size(text: str) -> None:
    """Count the nodes of a document with all aliases followed; raise ValueError where they are too many."""
    import yaml

    anchors: dict[str, int | None] = {}  # nodes below; None while it is open
    open_: list[tuple[str | None, int]] = []  # anchor, and nodes before
    nodes = 0
    for event in yaml.parse(text, _loader()):
        anchor = getattr(event, "anchor", None)
        if isinstance(event, yaml.AliasEvent):
            size = anchors.get(str(anchor), 0)
            if size is None:
                raise ValueError(f"the alias *{anchor} stands within its own anchor")
            nodes += size
        elif isinstance(event, yaml.CollectionStartEvent):
            open_.append((anchor, nodes))
            nodes += 1
            if anchor is not None:
                anchors[anchor] = None
        elif isinstance(event, yaml.CollectionEndEvent):
            begun, before = open_.pop()
            if begun is not None:
                anchors[begun] = nodes - before
        elif isinstance(event, yaml.ScalarEvent):
            nodes += 1
            if anchor is not None:
                anchors[anchor] = 1
        if len(open_) > _DEEPEST_YAML:
            raise ValueError("nested too deeply")
        if nodes > _MOST_NODES:
            raise ValueError(f"over {_MOST_NODES:,} values, aliases counted as what they stand for")


@cache
def _loader() -> Any:
    """Return PyYAML's safe loader without dates and numbers of base 60."""
    import yaml

    class Loader(yaml.SafeLoader):
        yaml_implicit_resolvers = {
            letter: [(tag, pattern) for tag, pattern in own if not tag.endswith(":timestamp")]
            for letter, own in yaml.SafeLoader.yaml_implicit_resolvers.items()
        }

    for kind, construct in (
        ("int", yaml.SafeLoader.construct_yaml_int),
        ("float", yaml.SafeLoader.construct_yaml_float),
    ):

        def number(loader: Any, node: Any, construct: Any = construct) -> Any:
            return node.value if ":" in str(node.value) else construct(loader, node)

        Loader.add_constructor(f"tag:yaml.org,2002:{kind}", number)
    return Loader
