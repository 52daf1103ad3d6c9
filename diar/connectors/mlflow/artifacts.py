"""Where the artifacts of a run are: behind the tracking server, or in a store that both sides reach."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from diar import storage
from diar.connectors.mlflow.server import Server, TrackingError
from diar.errors import explain

_PROXIED = "mlflow-artifacts"
_BLOCK = 1 << 20


def upload(server: Server, root: str, name: str, content: bytes | Path) -> None:
    """Store one artifact.

    Args:
        server: that has the run.
        root: the run's artifact URI, or a place below it.
        name: below that, with `/`.
        content: or the file that holds it.

    Raises:
        TrackingError: it cannot be stored.
    """
    try:
        if (path := _proxied(root)) is not None:
            server.upload(f"{path}/{name}", content)
            return
        data = content if isinstance(content, bytes) else content.read_bytes()
        storage.write_bytes_atomic(storage.join(root, *name.split("/")), data)
    except OSError as error:
        raise TrackingError(f"artifact {name}: {explain(error)}") from None


def download(server: Server, root: str, name: str, target: BinaryIO) -> None:
    """Write one artifact to `target`; raises what `upload` does."""
    try:
        if (path := _proxied(root)) is not None:
            server.download(f"{path}/{name}", target)
            return
        with storage.open_binary(storage.join(root, *name.split("/"))) as file:
            while block := file.read(_BLOCK):
                target.write(block)
    except OSError as error:
        raise TrackingError(f"artifact {name}: {explain(error)}") from None


def _proxied(root: str) -> str | None:
    """Return the path in the server's artifact store, None where artifacts lie elsewhere."""
    parts = urlsplit(root)
    return parts.path.strip("/") if parts.scheme == _PROXIED else None
