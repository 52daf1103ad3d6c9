"""Identifiers of sessions and jobs: made here, and checked before they are used for anything."""

from __future__ import annotations

import re
import secrets

from diar.service.problems import Problem

_IDENTIFIER = re.compile(r"[a-z]_[A-Za-z0-9]{22}")
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def new_identifier(kind: str) -> str:
    """Return a name that nobody can guess, 131 bits, such as `s_…`."""
    return f"{kind}_" + "".join(secrets.choice(_LETTERS) for _ in range(22))


def checked_identifier(kind: str, text: str) -> str:
    """Return an identifier that may exist; raises Problem `not_found` for anything else."""
    if not _IDENTIFIER.fullmatch(text) or text[0] != kind:
        raise Problem("not_found", "there is no such session" if kind == "s" else "there is no such job")
    return text
