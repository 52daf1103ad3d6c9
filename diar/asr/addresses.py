"""Where a server is, and the key that it wants."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

from diar.asr.errors import RecognitionError
from diar.errors import explain

KEY_VARIABLE = "DIAR_ASR_KEY"


def is_endpoint(asr: str) -> bool:
    """Return whether a recogniser is meant that is behind an address."""
    return asr.startswith(("http://", "https://"))


def read_key(file: str | None) -> str | None:
    """Return the key in a file, without one that of the environment (DIAR_ASR_KEY); None where there is none.

    Raises:
        RecognitionError: the file cannot be read, or it holds no key.
    """
    where, key = KEY_VARIABLE, os.environ.get(KEY_VARIABLE)
    if file is not None:
        where = f"`asr_key_file={file}`"
        try:
            key = Path(file).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise RecognitionError(f"{where}: {explain(error)}") from None
    key = None if key is None else key.strip()
    if key is not None and not (key.isascii() and key.isprintable() and key and " " not in key):
        raise RecognitionError(f"{where} holds no key: one word of printable ASCII is needed")
    return key


def checked_address(url: str) -> str:
    """Return the address of a server without a slash at its end.

    Raises:
        RecognitionError: it holds a user, a password, a query or a fragment, or names no host.
    """
    try:
        parts = urlsplit(url)
        port_is_right = parts.port is None or parts.port > 0
    except ValueError:
        port_is_right = False
    if not port_is_right or not parts.hostname:
        raise RecognitionError("`asr` is no address; it looks like http://host:port/v1")
    if "@" in parts.netloc:
        raise RecognitionError(f"`asr`: a key belongs into {KEY_VARIABLE} or `asr_key_file`, not the address")
    if parts.query or parts.fragment:
        raise RecognitionError(f"`asr={url}`: an address without ? and # is needed, like http://host:port/v1")
    return url.rstrip("/")
