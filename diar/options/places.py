"""Places that a command reads from and writes to, which must not be the same."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Mapping

from diar import storage
from diar.errors import DiarError, explain


def refuse_same_place(
    output: str, inputs: Mapping[str, str | None], *, inside: bool = False, option: str = "output_dir"
) -> None:
    """Refuse an output that is one of the inputs.

    Args:
        output: a path or URL; empty = none.
        inputs: option → its value, None or empty where it is not given.
        inside: whether an output inside an input is refused as well.
        option: whose value the output is.

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
                f"--{option} and --{name} are the same place, {value}: results would mix with what "
                f"they are made of; give another --{option}"
            )
        if inside and place.startswith(f"{read.rstrip('/')}/"):
            raise ValueError(
                f"--{option} {output} lies inside --{name} {value}: results would mix with what they are "
                f"made of; give an --{option} outside of it"
            )


def folder_of(file: str | None) -> str | None:
    """Return the folder that a file is to be written to, for `check_writable`; None for None."""
    return None if file is None else os.path.dirname(os.path.abspath(file))  # noqa: PTH100, PTH120


def check_writable(name: str, place: str | None) -> None:
    """Refuse an output that cannot be made, before the work.

    On a local disk nothing is made here. In a remote store a small file is written and removed again.

    Args:
        name: of the option.
        place: its value, a path or URL; None or empty = none.

    Raises:
        DiarError: a part of the path is a file, or its folder or bucket may not be written to.
    """
    if not place:
        return None
    local = storage.local_path(place)
    if local is None:
        return _try_writing(name, place)
    there = next(above for above in (local, *local.absolute().parents) if os.path.lexists(above))
    if not there.is_dir():
        kind = "leads nowhere" if not there.exists() else "is a file, not a folder"
        raise DiarError(f"`{name}={place}`: {there} {kind}; give another place")
    if not os.access(there, os.W_OK | os.X_OK):
        raise DiarError(f"`{name}={place}`: {there} may not be written to; give another place")
    return None


def check_reachable(name: str, place: str) -> None:
    """Ask a remote store whether it is there; local places are not looked at.

    Raises:
        DiarError: it does not answer, or does not let us in.
    """
    if storage.local_path(place) is not None:
        return
    try:
        storage.exists(re.split(r"[*?\[]", place, maxsplit=1)[0])
    except OSError as error:
        raise DiarError(f"`{name}={place}`: {explain(error)}") from error


def _try_writing(name: str, place: str) -> None:
    if place.startswith("memory://"):
        raise DiarError(f"`{name}={place}`: a place in memory ends with this command; give another place")
    probe = storage.join(place, f".diar-{uuid.uuid4().hex}.tmp")
    try:
        storage.write_bytes_atomic(probe, b"")
        storage.remove(probe)
    except (OSError, NotImplementedError) as error:
        raise DiarError(f"`{name}={place}` cannot be written to: {explain(error)}") from error


def _real(place: str) -> str:
    """Return a path with links followed, or a URL, without a slash at its end."""
    local = storage.local_path(place)
    return place.rstrip("/") if local is None else os.path.realpath(local.expanduser())
