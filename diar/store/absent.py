"""What to say of what is not there: a folder that is no output of stage 1, an id that one does not have."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import PurePosixPath

from diar import storage
from diar.store.parquet import StoreError

# Files that only stage 2 writes; in its folders embeddings are looked for by mistake
_RESULTS = {"_detection", "speaker_boundary_detection_result.json", "recordings.csv", "turns.json"}
_NAMED = 3  # files
_NEAR = 3  # ids that are named
_COMPARED = 20_000  # ids at most, as comparing takes 10 µs each


def no_extraction(folder: str) -> str:
    """Return why `folder` cannot be read as an output of stage 1, and how to get one."""
    problem, make = f"{folder} holds no embeddings of stage 1", "`diar extract` makes them from audio"
    if not storage.exists(folder):
        return f"{folder} does not exist; give the output_dir of `diar extract`, which holds embeddings"
    if not storage.is_dir(folder):
        return f"{folder} is a file; give the output_dir of `diar extract`, a folder that holds embeddings"
    names = storage.list_names(folder)
    if not names:
        return f"{problem}: it is empty; {make}"
    if _RESULTS & {*names}:
        return f"{problem}: it is a result of stage 2; give the folder that the result was made from"
    if "extraction_stats.json" in names:
        return f"{problem}: its folder _extraction is missing; copy it along, or extract again"
    shown = ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "")
    return f"{problem}, it holds {shown}; {make}, and their folder is what is needed here"


class UnknownRecordingError(StoreError, KeyError):
    """An id that an extraction does not have; the message names those that are most like it."""

    __str__ = Exception.__str__  # a KeyError would show the message in quotes

    def __init__(self, where: str, recording_id: str, ids: Sequence[str]) -> None:
        near = near_ids(recording_id, ids)
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"the first is {ids[0]!r}"
        super().__init__(f"{where} has no recording {recording_id!r} among its {len(ids)}; {hint}")


def near_ids(recording_id: str, ids: Sequence[str]) -> list[str]:
    """Return the ids that are most like `recording_id`, the nearest first.

    Ids that hold the name of its file come before all others, such as `part_1/a.wav` for `/archive/a.flac`.
    Then come ids like the whole, then those of which only the file's name is alike.
    """
    name = _name(recording_id)
    same_name = [other for other in ids if name and name in other.casefold()][:_COMPARED]
    if same_name:
        return difflib.get_close_matches(recording_id, same_name, _NEAR, cutoff=0.0)
    ids = ids[:_COMPARED]
    by_name = {_name(other): other for other in reversed(ids)}
    return difflib.get_close_matches(recording_id, ids, _NEAR) or [
        by_name[other] for other in difflib.get_close_matches(name, by_name, _NEAR)
    ]


def _name(recording_id: str) -> str:
    """Return the name of its file, without the suffix, in lower case."""
    return PurePosixPath(recording_id).stem.casefold()
