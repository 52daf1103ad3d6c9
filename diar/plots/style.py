"""Colours, names and the file format of all pictures."""

from __future__ import annotations

import colorsys
import io

from matplotlib.figure import Figure


def speaker_color(number: int) -> tuple[float, float, float]:
    """Return the colour of a speaker in every panel; neighbours are far apart (golden angle)."""
    hue = (0.58 + 0.618034 * number) % 1.0
    return colorsys.hsv_to_rgb(hue, 0.35 + 0.13 * (number % 3), 0.95 - 0.1 * (number % 2))


def lane_color(number: int) -> tuple[float, float, float]:
    """Return the colour of a speaker's lane, strong enough to be mixed with white."""
    hue = (0.58 + 0.618034 * number) % 1.0
    return colorsys.hsv_to_rgb(hue, 0.62 + 0.16 * (number % 3), 0.86 - 0.14 * (number % 2))


def short(name: str, most: int = 40) -> str:
    """Shorten a name at its beginning, and replace what cannot be printed."""
    name = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)
    return name if len(name) <= most else "…" + name[1 - most :]


def png(figure: Figure, **metadata: str) -> bytes:
    """Return the figure as PNG."""
    data = io.BytesIO()
    figure.savefig(data, format="png", metadata=metadata)
    return data.getvalue()
