"""Where a command takes the key of encrypted outputs from; it passes on to the processes that it starts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

KEY_VARIABLE = "DIAR_ENCRYPTION_KEY"  # sources of keys, a line each; the first one encrypts
KEY_HELP = (
    "encrypt what is written, and read what is encrypted, with the key from file:PATH, env:NAME or "
    "command:WORDS (docs/custody.md); default: the variable DIAR_ENCRYPTION_KEY, which holds the same"
)


@contextmanager
def keys_from(*sources: str | None) -> Iterator[None]:
    """Use the keys of these sources in the block, the first one to encrypt; without any, those as before."""
    given = [source for source in sources if source]
    before = os.environ.get(KEY_VARIABLE)
    if given:
        os.environ[KEY_VARIABLE] = "\n".join(given)
    try:
        yield
    finally:
        if before is not None:
            os.environ[KEY_VARIABLE] = before
        elif given:
            del os.environ[KEY_VARIABLE]
