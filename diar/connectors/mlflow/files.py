"""Which files of a result a tracking server gets: small ones that tell of it, never audio or embeddings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

_KINDS = frozenset({".json", ".csv", ".png", ".html", ".rttm"})
_LARGEST = 16 * (1 << 20)  # bytes of a file
_MOST = 100  # files of a folder


def result_files(folder: Path | str, patterns: Iterable[str]) -> Iterator[tuple[str, Path]]:
    """Yield the files of a folder itself that a command has written there, by name.

    What lies deeper is left out: audio of speakers, files of single recordings, words. So are files of other
    kinds, links, files above 16 MB, and all after the first hundred.

    Args:
        folder: of the result.
        patterns: names of the command's files, such as `timelines_*.png`.
    """
    found = sorted({path for pattern in patterns for path in Path(folder).glob(pattern)})
    files = (path for path in found if path.suffix in _KINDS and path.is_file() and not path.is_symlink())
    small = [path for path in files if path.stat().st_size <= _LARGEST]
    for path in small[:_MOST]:
        yield path.name, path
