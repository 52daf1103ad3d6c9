"""Who may read what a command writes: only its user, unless `--share` says otherwise."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

Share = Literal["none", "group", "all"]

HELP = (
    "who may read what is written: none = only you; group = your group, too; all = whomever the umask of the "
    "shell allows"
)
_MASKS = {"none": 0o077, "group": 0o027}


@contextmanager
def shared_with(share: Share) -> Iterator[None]:
    """Make files for those alone, also in processes that are started meanwhile."""
    if share == "all":
        yield
        return
    with umask(_MASKS[share]):
        yield


@contextmanager
def umask(mask: int) -> Iterator[None]:
    """Make files under another umask."""
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)
