"""The fsspec file system of a URL, with settings that long runs need where the user has set none."""

from __future__ import annotations

import functools
import threading
from typing import Any

from diar.errors import DiarError
from diar.extras import install_line

# Stores without folders. Making one there would make a bucket, which belongs to whoever pays for it
_OBJECT_STORES = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oci", "oss"})
_RANGES = _OBJECT_STORES | {"http", "https"}  # which give parts of a file at the price of the part
_PACKAGES = {
    **dict.fromkeys(("s3", "s3a"), "s3"),
    **dict.fromkeys(("gs", "gcs"), "gs"),
    **dict.fromkeys(("az", "abfs", "abfss", "adl"), "az"),
    **dict.fromkeys(("http", "https"), "http"),
}  # protocol → extra of this package
# A connection that hangs is given up and tried again (`retries`); botocore's own retries would multiply with
# ours. Listings must not be remembered: other processes write, too.
_FRESH = {"use_listings_cache": False}
_S3 = {"connect_timeout": 10, "read_timeout": 30, "retries": {"mode": "standard", "total_max_attempts": 1}}
_DEFAULTS: dict[str, dict[str, Any]] = {
    "s3": {**_FRESH, "config_kwargs": _S3},
    "gcs": _FRESH,
    "abfs": _FRESH,
    "http": _FRESH,
}
_settling = threading.Lock()


def protocols(url: str) -> tuple[str, ...]:
    """Return the protocols of a URL, outermost first: `zip://a::s3://b/c.zip` gives (`zip`, `s3`)."""
    return tuple(link.partition("://")[0].lower() for link in url.split("::"))


def is_object_store(url: str) -> bool:
    """Return whether a URL lies in a store without folders."""
    return protocols(url)[0] in _OBJECT_STORES


def has_ranges(url: str) -> bool:
    """Return whether a part of the file can be read for the price of the part."""
    return protocols(url)[0] in _RANGES and "::" not in url


def filesystem_of(url: str) -> tuple[Any, str]:
    """Return the fsspec file system of a URL, and the path inside it.

    Raises:
        DiarError: its protocol is unknown, or needs a package that is not installed.
    """
    import fsspec  # takes 0.1 s to import, which local files need not pay

    _settle_defaults()
    link, chained, rest = url.partition("::")
    protocol, has_path, _ = link.partition("://")
    try:
        if chained and has_path:
            filesystem = _container(f"{protocol}://::{rest}")
            return filesystem, filesystem._strip_protocol(link)
        filesystem, path = fsspec.core.url_to_fs(url)
    except ImportError as error:
        raise DiarError(f"cannot open {url}: {_missing_driver(url, error)}") from error
    except (ValueError, TypeError, LookupError) as error:  # an unknown protocol, or a URL that lacks a part
        raise DiarError(f"cannot open {url}: {error}") from error
    if hasattr(filesystem, "retries"):
        filesystem.retries = 1  # s3fs's and gcsfs's own; `retries.patiently` does it for all stores alike
    return filesystem, path


def _missing_driver(url: str, error: ImportError) -> str:
    for protocol in protocols(url):
        if protocol in _PACKAGES:
            return f"its driver is not installed ({error}): {install_line(_PACKAGES[protocol])}"
    return str(error)


def _settle_defaults() -> None:
    """Put `_DEFAULTS` under what fsspec's configuration files and variables say."""
    import fsspec.config

    with _settling:
        for protocol, settings in _DEFAULTS.items():
            own = fsspec.config.conf.setdefault(protocol, {})
            for name, value in settings.items():
                own.setdefault(name, value)


@functools.lru_cache(maxsize=8)
def _container(url: str) -> Any:
    """Open a zip file or the like once: fsspec closes it as soon as nobody holds it."""
    import fsspec

    return fsspec.core.url_to_fs(url)[0]
