"""One colour for one person."""

from __future__ import annotations

from collections.abc import Iterable

from diar.plots.style import number_names, person_color


def name_colors(names: Iterable[str]) -> dict[str, str]:
    """Return the colour of each person of an archive as `#rrggbb`; `names` are those of all of them."""
    numbers = number_names(names).items()
    return {
        name: "#" + "".join(f"{round(255 * part):02x}" for part in person_color(i)) for name, i in numbers
    }
