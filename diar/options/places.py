"""Places that a command reads from and writes to, which must not be the same."""

from __future__ import annotations

import os
from collections.abc import Mapping

from diar import storage


def refuse_same_place(output: str, inputs: Mapping[str, str | None], *, inside: bool = False) -> None:
    """Refuse an output that is one of the inputs.

    Args:
        output: value of `output_dir`, a path or URL; empty = none.
        inputs: option → its value, None or empty where it is not given.
        inside: whether an output inside an input is refused as well.

    Raises:
        ValueError: names both options; pydantic shows it as an error of the options.
    """
    place = _real(output)
    for name, value in inputs.items():
        if not value or not output:
            continue
        read = _real(value)
        if place == read:
            raise ValueError(
                f"--output_dir and --{name} are the same place, {value}: results would mix with what "
                "they are made of; give another --output_dir"
            )
        if inside and place.startswith(f"{read.rstrip('/')}/"):
            raise ValueError(
                f"--output_dir {output} lies inside --{name} {value}: results would mix with what they are "
                "made of; give an --output_dir outside of it"
            )


def _real(place: str) -> str:
    """Return a path with links followed, or a URL, without a slash at its end."""
    local = storage.local_path(place)
    return place.rstrip("/") if local is None else os.path.realpath(local.expanduser())
