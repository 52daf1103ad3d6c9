"""Parquet's modular encryption under the master keys, and other files that hold embeddings or words.

Each Parquet file has a key of its own for footer and columns, wrapped by the master key and kept in the file,
as the key tools of Parquet do it.
"""

from __future__ import annotations

import base64
from datetime import timedelta
from functools import lru_cache
from typing import Any

from diar.extras import install_line
from diar.store.encryption.keyring import EncryptionError, Keyring, keyring

ENCRYPTED = b"PARE"  # begins and ends a Parquet file with an encrypted footer
_MAGIC = b"diarAES1"  # begins another encrypted file; then the id of its key
_ID = 12  # characters


def writing_properties() -> Any:
    """Return how a Parquet file is to be encrypted, None where it is not.

    Raises:
        EncryptionError: the key cannot be had.
    """
    ring = keyring()
    if ring.writing is None:
        return None
    import pyarrow.parquet.encryption as parquet

    try:
        settings = parquet.EncryptionConfiguration(
            footer_key=ring.writing.id, uniform_encryption=True, data_key_length_bits=256
        )
    except TypeError:  # pyarrow before 21
        raise EncryptionError(f"encryption needs a newer pyarrow: {install_line('encryption')}") from None
    return _factory(ring).file_encryption_properties(parquet.KmsConnectionConfig(), settings)


def reading_properties() -> Any:
    """Return how to decrypt a Parquet file that is encrypted.

    Raises:
        EncryptionError: the key cannot be had. Reading raises it for another key.
    """
    import pyarrow.parquet.encryption as parquet

    config = parquet.DecryptionConfiguration(cache_lifetime=timedelta(hours=1))
    return _factory(keyring()).file_decryption_properties(parquet.KmsConnectionConfig(), config)


def protected(data: bytes) -> bytes:
    """Return the content of a file that is no Parquet, encrypted if there is a key."""
    key = keyring().writing
    return data if key is None else _MAGIC + key.id.encode() + key.wrap(data)


def revealed(data: bytes) -> bytes:
    """Return what `protected` was given.

    Raises:
        EncryptionError: its key is not here, or it was changed.
    """
    if not data.startswith(_MAGIC):
        return data
    start = len(_MAGIC) + _ID
    return keyring().key(data[len(_MAGIC) : start].decode(errors="replace")).unwrap(data[start:])


@lru_cache(maxsize=4)
def _factory(ring: Keyring) -> Any:
    """Return Arrow's factory of encryption properties, with the master keys."""
    import pyarrow.parquet.encryption as parquet

    class Client(parquet.KmsClient):
        """Wraps the keys of files."""

        def __init__(self, _: object) -> None:
            parquet.KmsClient.__init__(self)

        def wrap_key(self, key_bytes: bytes, master_key_identifier: str) -> str:
            return base64.b64encode(ring.key(master_key_identifier).wrap(key_bytes)).decode()

        def unwrap_key(self, wrapped_key: str, master_key_identifier: str) -> bytes:
            return ring.key(master_key_identifier).unwrap(base64.b64decode(wrapped_key))

    return parquet.CryptoFactory(Client)
