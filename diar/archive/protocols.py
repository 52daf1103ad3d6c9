"""Which URLs a list may name: whoever writes one must not choose what is asked over a network."""

from __future__ import annotations

from collections.abc import Collection

from diar import storage
from diar.archive.recording import ListingError

LOCAL = frozenset(["file", "local"])  # what fsspec calls local files
_SHOWN = 200  # characters of a URL or of its protocol


def protocols_of(url: str) -> frozenset[str]:
    """Return the protocols of a path or URL, of all links where it is chained (`zip://a.wav::s3://b/c.zip`)."""
    if storage.local_path(url) is not None:
        return frozenset(["file"])
    return frozenset(_protocol(link) for link in url.split("::"))


def _protocol(link: str) -> str:
    name, has_path, _ = link.partition("://")
    return name.lower() if has_path or name.isalnum() else "file"


def check_protocols(url: str, allowed: Collection[str], where: str) -> None:
    """Refuse a URL of a protocol that is neither local nor in `allowed`.

    Args:
        url: as a list gives it.
        allowed: names of protocols.
        where: file and line, for the message.

    Raises:
        ListingError: names the protocol.
    """
    other = sorted(protocols_of(url) - LOCAL - {*allowed})
    if other:
        name = other[0][:_SHOWN]
        raise ListingError(
            f"{where}: {url[:_SHOWN]!r} would be read over {name}://; a list may name local files and what "
            f"lies where it lies itself; allow more by `protocols={name}`"
        )
