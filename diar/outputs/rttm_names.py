"""What RTTM files call each recording of an archive."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Literal

from diar.outputs.managed_directory import OutputError

RttmNames = Literal["path", "stem"]


def rttm_names(kind: RttmNames, recordings: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the name of each recording, by id.

    Args:
        kind: `path`: the recording's id; `stem`: that without folders and the file's suffix.
        recordings: id and URL of each.

    Raises:
        OutputError: two recordings have one stem; names both.
    """
    names: dict[str, str] = {}
    taken: dict[str, str] = {}
    for recording_id, url in recordings:
        name = recording_id if kind == "path" else _stem(recording_id, url)
        if name in taken:
            raise OutputError(
                f"`rttm_id=stem` would call both {taken[name]} and {recording_id} {name}; use `rttm_id=path`"
            )
        names[recording_id], taken[name] = name, recording_id
    return names


def _stem(recording_id: str, url: str) -> str:
    """Return the id without folders and suffix; a part of a file keeps its interval (`talk@10.00-40.00`)."""
    base = recording_id.rpartition("/")[2]
    suffix = PurePosixPath(url).suffix
    pattern = rf"(?<=.){re.escape(suffix)}(?=(@[\d.]+-[\d.]*)?$)"
    return re.sub(pattern, "", base, count=1, flags=re.IGNORECASE) if suffix else base
