"""One colour for one person."""

from __future__ import annotations

import re
from collections.abc import Iterable

from diar.plots.style import lane_color

_NUMBERED = re.compile(r"_0*([1-9]\d*)$")


def name_colors(names: Iterable[str]) -> dict[str, str]:
    """Return the colour of each person of an archive as `#rrggbb`; `names` are those of all of them."""
    colors = {}
    for place, name in enumerate(sorted(names)):
        numbered = _NUMBERED.search(name)
        parts = lane_color(int(numbered[1]) - 1 if numbered else place)
        colors[name] = "#" + "".join(f"{round(255 * part):02x}" for part in parts)
    return colors
