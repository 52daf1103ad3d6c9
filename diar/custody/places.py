"""Which outputs of the stages a folder holds: one, or a result with the extractions that it was made from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from diar import storage
from diar.custody.files import all_files
from diar.outputs.managed_directory import WRITTEN_NAME
from diar.outputs.page.write import LIST_NAME as PAGE_LIST
from diar.outputs.turns import LIST_NAME as TURNS_LIST
from diar.outputs.turns import RECORDINGS_NAME
from diar.store.absent import no_extraction
from diar.store.layout import Layout
from diar.store.parquet import StoreError

LISTS = (WRITTEN_NAME, TURNS_LIST, PAGE_LIST)  # of what stage 2 wrote, relative to its output


@dataclass(frozen=True)
class Outputs:
    """The outputs below one or several folders."""

    extractions: list[str]
    results: list[str]

    @classmethod
    def below(cls, folders: Iterable[str]) -> Outputs:
        """Find the outputs of stage 1 and 2 that folders are, and those directly below a result.

        Raises:
            StoreError: a folder holds neither.
        """
        found = cls([], [])
        for folder in dict.fromkeys(folder.rstrip("/") or "/" for folder in folders):
            if is_extraction(folder):
                found.extractions.append(folder)
            elif is_result(folder):
                found.results.append(folder)
                inner = nested(folder)
                found.extractions.extend(one for one in inner if one not in found.extractions)
            else:
                raise StoreError(no_extraction(folder))
        return found


def is_extraction(folder: str) -> bool:
    """Return whether a folder is an output of stage 1."""
    return storage.exists(Layout(folder).config) or storage.is_dir(Layout(folder).shards)


def is_result(folder: str) -> bool:
    """Return whether a folder is an output of stage 2."""
    return any(storage.exists(storage.join(folder, name)) for name in (*LISTS, RECORDINGS_NAME))


def nested(folder: str) -> list[str]:
    """Return the outputs of stage 1 inside a result, as `diar diarize` makes them."""
    inner = (storage.join(folder, name) for name in storage.list_names(folder))
    return [one for one in inner if storage.is_dir(one) and is_extraction(one)]


def own_files(folder: str) -> dict[str, int]:
    """Return `all_files` of an output without those of the outputs inside it."""
    inner = tuple(f"{one[len(folder.rstrip('/')) + 1 :]}/" for one in nested(folder))
    return {path: size for path, size in all_files(folder).items() if not path.startswith(inner)}
