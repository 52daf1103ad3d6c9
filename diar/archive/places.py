"""Whether audio lies in the archive that it is said to come from: an index is a file, and can be changed."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from diar import storage
from diar.archive.listing import fixed_link, fixed_part, has_wildcard
from diar.archive.manifests import LIST_SUFFIXES, read_list
from diar.archive.protocols import protocols_of
from diar.archive.recording import ListingError, has_audio_suffix


def outside_of(source: str, urls: Collection[str]) -> list[str]:
    """Return those of `urls` that an archive cannot hold.

    A folder or glob holds what lies below it and has an audio suffix; links in it may lead out. A list holds
    what it names.

    Args:
        source: what stage 1 was given: a folder, glob, file, list or URL.
        urls: of audio.

    Raises:
        ListingError: the archive is a list that is gone or cannot be read.
    """
    if Path(source).suffix.lower() in LIST_SUFFIXES:
        listed = _listed(source, urls)
        return [url for url in urls if url not in listed]
    root = _root(source)
    below = root.rstrip("/") + "/"
    return [
        url
        for url in urls
        if not (_place(url).startswith(below) and has_audio_suffix(url)) and _place(url) != root
    ]


def _listed(source: str, urls: Collection[str]) -> frozenset[str]:
    """Return the URLs that a local list names."""
    local = storage.local_path(source)
    if local is None or not local.is_file():
        raise ListingError(
            f"{source} lists the archive and is needed to tell which audio is meant; it is not there"
        )
    recordings, _ = read_list(str(local), frozenset[str]().union(*map(protocols_of, urls)))
    return frozenset(recordings.table["path"].to_pylist())


def _root(source: str) -> str:
    """Return the path or URL below which the archive lies."""
    local = storage.local_path(source)
    if local is None:
        link, chained, rest = source.partition("::")
        return (fixed_link(link) if has_wildcard(link) else link.rstrip("/")) + chained + rest
    local = local.expanduser()
    return storage.absolute(fixed_part(local) if has_wildcard(str(local)) and not local.exists() else local)


def _place(url: str) -> str:
    local = storage.local_path(url)
    return url if local is None else storage.absolute(local)
