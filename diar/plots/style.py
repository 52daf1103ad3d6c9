"""What the pictures have in common."""

from __future__ import annotations

import colorsys
import io

from matplotlib.figure import Figure


def speaker_color(number: int) -> tuple[float, float, float]:
    """Colour of a speaker: the same in every panel, neighbours far apart (golden angle)."""
    hue = (0.58 + 0.618034 * number) % 1.0
    return colorsys.hsv_to_rgb(hue, 0.35 + 0.13 * (number % 3), 0.95 - 0.1 * (number % 2))


def lane_color(number: int) -> tuple[float, float, float]:
    """The same, strong enough to be told apart where it is mixed with white."""
    hue = (0.58 + 0.618034 * number) % 1.0
    return colorsys.hsv_to_rgb(hue, 0.62 + 0.16 * (number % 3), 0.86 - 0.14 * (number % 2))


def short(name: str, most: int = 40) -> str:
    """A name that fits and can be printed: its end says more than its folders."""
    name = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)
    return name if len(name) <= most else "…" + name[1 - most :]


def png(figure: Figure, **metadata: str) -> bytes:
    """The figure as a PNG file."""
    data = io.BytesIO()
    figure.savefig(data, format="png", metadata=metadata)
    return data.getvalue()
