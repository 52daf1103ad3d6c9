"""Recordings that a command leaves out, told on the terminal."""

from __future__ import annotations

import sys
from collections.abc import Mapping

_LISTED = 3


def tell_left_out(reasons: Mapping[str, str], text: str = "{name} is left out: {reason}") -> None:
    """Warn of the first three recordings, and say how many more there are.

    Args:
        reasons: by name of the recording.
        text: of a warning.
    """
    for name, reason in list(reasons.items())[:_LISTED]:
        print(f"warning: {text.format(name=name, reason=reason)}", file=sys.stderr)
    if len(reasons) > _LISTED:
        print(f"  … and {len(reasons) - _LISTED:,} more", file=sys.stderr)
