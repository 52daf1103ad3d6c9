"""Master keys: where they come from, and which of them encrypts.

The variable DIAR_ENCRYPTION_KEY holds sources of keys, a line each, for this process and those that it
starts. The first key encrypts; all of them decrypt.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from diar.errors import DiarError, explain
from diar.extras import require
from diar.options.keys import KEY_VARIABLE

_BYTES = 32  # AES-256
_NONCE = 12  # bytes
_COMMAND_SECONDS = 60.0


class EncryptionError(DiarError):
    """A key that is missing, wrong or no key."""


@dataclass(frozen=True)
class MasterKey:
    """A key that wraps the keys of files; its id, a part of a hash of it, stands in them."""

    id: str
    secret: bytes

    def wrap(self, data: bytes) -> bytes:
        """Return `data` encrypted and authenticated (AES-256-GCM), the nonce before it."""
        nonce = os.urandom(_NONCE)
        return nonce + _aes(self.secret).encrypt(nonce, data, self.id.encode())

    def unwrap(self, data: bytes) -> bytes:
        """Return what `wrap` encrypted.

        Raises:
            EncryptionError: it was changed.
        """
        from cryptography.exceptions import InvalidTag

        try:
            plain: bytes = _aes(self.secret).decrypt(data[:_NONCE], data[_NONCE:], self.id.encode())
        except (InvalidTag, ValueError):
            raise EncryptionError(f"what key {self.id} encrypted was changed since") from None
        return plain


@dataclass(frozen=True)
class Keyring:
    """The keys of this process, the one that encrypts first; none: nothing is encrypted."""

    keys: tuple[MasterKey, ...]

    @property
    def writing(self) -> MasterKey | None:
        """The key that encrypts."""
        return self.keys[0] if self.keys else None

    def key(self, key_id: str) -> MasterKey:
        """Return the key that something was encrypted with.

        Raises:
            EncryptionError: it is not here.
        """
        for key in self.keys:
            if key.id == key_id:
                return key
        if not self.keys:
            raise EncryptionError(f"it is encrypted with key {key_id}; give it with `encryption_key`")
        given = ", ".join(key.id for key in self.keys)
        raise EncryptionError(f"it is encrypted with key {key_id}, and the key given is {given}")


def keyring() -> Keyring:
    """Return the keys that the environment names.

    Raises:
        EncryptionError: one cannot be had, or is no key.
    """
    return _read_keyring(os.environ.get(KEY_VARIABLE, ""))


@lru_cache(maxsize=4)
def _read_keyring(sources: str) -> Keyring:
    return Keyring(tuple(_read_key(source) for source in sources.splitlines() if source.strip()))


def _read_key(source: str) -> MasterKey:
    kind, _, value = source.strip().partition(":")
    if kind == "file":
        try:
            text = Path(value).expanduser().read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise EncryptionError(f"`encryption_key={source}`: {explain(error)}") from None
    elif kind == "env":
        text = os.environ.get(value, "")
        if not text:
            raise EncryptionError(f"`encryption_key={source}`: the variable {value} is not set")
    elif kind == "command":
        text = _ask(source, value)
    else:
        raise EncryptionError(
            "`encryption_key` is file:PATH, env:NAME or command:WORDS, whose output is the key; a key itself "
            "is never given, because others see the arguments of a process"
        )
    secret = _parse(text.strip(), source)
    return MasterKey(hashlib.sha256(b"diar master key" + secret).hexdigest()[:12], secret)


def _ask(source: str, command: str) -> str:
    """Return what a command prints, as that of a key management service does."""
    import shlex
    import subprocess  # few commands come here

    try:
        done = subprocess.run(
            shlex.split(command), capture_output=True, text=True, timeout=_COMMAND_SECONDS, check=True
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise EncryptionError(f"`encryption_key={source}`: {error}") from None
    return done.stdout


def _parse(text: str, source: str) -> bytes:
    """Return the bytes of a key in hexadecimal or Base64."""
    decoders: tuple[Any, ...] = (bytes.fromhex, lambda words: base64.b64decode(words, validate=True))
    for decode in decoders:
        try:
            secret: bytes = decode(text)
        except (ValueError, binascii.Error):
            continue
        if len(secret) == _BYTES:
            return secret
    raise EncryptionError(
        f"`encryption_key={source}` is no key: 64 hexadecimal digits are needed, or Base64 of 32 bytes, such "
        "as `openssl rand -hex 32` prints"
    )


def _aes(secret: bytes) -> Any:
    ciphers = require(
        "cryptography.hazmat.primitives.ciphers.aead", "encryption", "encryption", EncryptionError
    )
    return ciphers.AESGCM(secret)
