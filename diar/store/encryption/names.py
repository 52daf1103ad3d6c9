"""Names of files that do not tell the recordings' names, in an output that is encrypted.

The secret that they are made with is drawn once for each output. It stands in `config.json`, wrapped by the
master key, so that another master key leaves the names as they are.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
from functools import lru_cache
from typing import Any

from diar import storage
from diar.store.encryption.keyring import EncryptionError, MasterKey, keyring

_SECRET = 32  # bytes
_DIGITS = 32  # of a hidden name


def describe_encryption(config_url: str) -> dict[str, str] | None:
    """Return what the configuration of an output says of its encryption, None where it is not encrypted.

    Raises:
        EncryptionError: what is there is encrypted and no key is given, or the other way round.
    """
    key, earlier = keyring().writing, _read(config_url)
    if earlier is None:
        return None if key is None else wrapped_secret(os.urandom(_SECRET), key)
    stored = earlier.get("encryption")
    if stored is None and key is not None:
        raise EncryptionError(
            f"{config_url} was begun without encryption: give another `output_dir`, or no `encryption_key`"
        )
    if stored is not None:
        _unwrap(stored)  # is it this key?
    return stored


def wrapped_secret(secret: bytes, key: MasterKey) -> dict[str, str]:
    """Return the entry of a configuration that holds the secret of its output."""
    return {"key": key.id, "names": base64.b64encode(key.wrap(secret)).decode()}


def secret_of(config_url: str) -> bytes | None:
    """Return the secret of an output's names, None where names are not hidden.

    Raises:
        EncryptionError: it is encrypted with another key.
    """
    if not keyring().keys:
        return None  # without a key, not even the plan of an encrypted output can be read
    return _cached_secret(config_url)


def forget_secrets() -> None:
    """Read secrets anew: an output has been begun."""
    _cached_secret.cache_clear()


def hidden(secret: bytes, recording_id: str) -> str:
    """Return the relative path of a recording's output without suffix, each part of it hidden."""
    parts = (hmac.new(secret, part.encode(), hashlib.sha256).hexdigest() for part in recording_id.split("/"))
    return "/".join(part[:_DIGITS] for part in parts)


@lru_cache(maxsize=64)
def _cached_secret(config_url: str) -> bytes | None:
    stored = (_read(config_url) or {}).get("encryption")
    return None if stored is None else _unwrap(stored)


def _unwrap(stored: dict[str, str]) -> bytes:
    return keyring().key(stored["key"]).unwrap(base64.b64decode(stored["names"]))


def _read(config_url: str) -> dict[str, Any] | None:
    if not storage.exists(config_url):
        return None
    record: dict[str, Any] = json.loads(storage.read_bytes(config_url))
    return record
