"""The time axis of a picture: strips of equal length, one below the other, like lines of text."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_STRIPS = 8
_STRIP_SECONDS = (60, 120, 300, 600, 1200, 1800, 3600, 7200, 10_800, 14_400, 21_600, 28_800, 43_200, 86_400)
_TICKS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600)  # seconds
_ONE_STRIP = 90  # seconds up to which a recording is not cut


def divide(end: float, most: int = MOST_STRIPS) -> tuple[float, int]:
    """Return seconds a strip and the number of strips, at most `most`, that show 0 to `end`.

    Of several, each is a multiple of the seconds between labels, so that labels stand below each other.
    """
    if end <= _ONE_STRIP:
        return max(1.0, end), 1
    length = next((seconds for seconds in _STRIP_SECONDS if seconds * most >= end), end / most)
    strips = math.ceil(end / length)
    rest = end - (strips - 1) * length
    if strips > 1 and rest < 0.05 * length:  # a few seconds get no strip of their own
        length, strips = end / (strips - 1), strips - 1
    step = tick(length)
    return (step * math.ceil(length / step - 1e-9) if strips > 1 else length), strips


def draw_clock(axes: Axes, length: float) -> None:
    """Draw the time from the recording's start along the axis of a strip of `length` seconds."""
    from matplotlib.ticker import FuncFormatter, MultipleLocator

    axes.xaxis.set_major_locator(MultipleLocator(tick(length)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: clock(value)))
    axes.tick_params(axis="x", labelsize=9)
    axes.grid(axis="x", color="#d5d5d9", linewidth=0.5, zorder=1)


def tick(length: float) -> float:
    """Return the seconds between labels of a strip: a round number, for about twelve labels."""
    return next((step for step in _TICKS if step * 16 >= length), 3600 * math.ceil(length / 3600 / 16))


def amount(seconds: float) -> str:
    """Format a length: `4.2 s`, from a minute on as `clock`."""
    return f"{seconds:.1f} s" if seconds < 59.95 else clock(seconds)


def clock(seconds: float) -> str:
    """Format a time as `m:ss` or `h:mm:ss`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
