"""One colour for one person."""

from __future__ import annotations

import re
import zlib

from matplotlib.colors import to_hex

from diar.plots.style import lane_color

_NUMBERED = re.compile(r"_(\d+)$")


def person_color(name: str) -> str:
    """Return a person's colour as `#rrggbb`; it depends on the name alone."""
    numbered = _NUMBERED.search(name)
    return to_hex(lane_color(int(numbered[1]) - 1 if numbered else zlib.crc32(name.encode(errors="replace"))))
