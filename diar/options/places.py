"""Places that a command reads from and writes to, which must not be the same."""

from __future__ import annotations

import os
from collections.abc import Mapping

from diar import storage
from diar.errors import DiarError


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


def check_writable(name: str, place: str | None) -> None:
    """Refuse an output that cannot be made, before the work; nothing is made here.

    Args:
        name: of the option.
        place: its value, a path or URL; None or empty = none.

    Raises:
        DiarError: a part of the path is a file, or its folder may not be written to.
    """
    local = storage.local_path(place) if place else None
    if local is None:
        return
    there = next(above for above in (local, *local.absolute().parents) if os.path.lexists(above))
    if not there.is_dir():
        kind = "leads nowhere" if not there.exists() else "is a file, not a folder"
        raise DiarError(f"`{name}={place}`: {there} {kind}; give another place")
    if not os.access(there, os.W_OK | os.X_OK):
        raise DiarError(f"`{name}={place}`: {there} may not be written to; give another place")


def _real(place: str) -> str:
    """Return a path with links followed, or a URL, without a slash at its end."""
    local = storage.local_path(place)
    return place.rstrip("/") if local is None else os.path.realpath(local.expanduser())
