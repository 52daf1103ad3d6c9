"""An S3 server for all tests of this folder."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.remote.servers import Proxy


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an S3 server: moto's, or SeaweedFS with `S3_SERVER=seaweedfs`."""
    from tests.remote.seaweedfs import seaweedfs
    from tests.remote.servers import s3_server

    folder = tmp_path_factory.mktemp("s3")
    if os.environ.get("S3_SERVER") == "seaweedfs":
        with seaweedfs(folder) as server:
            yield server.address
    else:
        with s3_server(folder / "log.txt") as address:
            yield address


@pytest.fixture
def bucket(s3: str) -> str:
    """A bucket of the test's own."""
    from tests.remote.servers import client

    name = f"bucket-{uuid.uuid4().hex}"
    client(s3).create_bucket(Bucket=name)
    return name


@pytest.fixture
def proxy(s3: str) -> Iterator[Proxy]:
    """A proxy before the server, without faults so far."""
    from tests.remote.servers import Proxy

    with Proxy(s3).running() as running:
        yield running


@pytest.fixture
def through(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """The proxy as the store of this process."""
    import fsspec
    import fsspec.config

    from tests.remote.servers import environment

    for name, value in environment(proxy.address).items():
        monkeypatch.setenv(name, value)
    kept: dict[str, Any] = {name: dict(value) for name, value in fsspec.config.conf.items()}
    fsspec.config.set_conf_env(fsspec.config.conf)
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    yield proxy
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    fsspec.config.conf.clear()
    fsspec.config.conf.update(kept)
