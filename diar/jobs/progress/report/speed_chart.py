"""The picture of an extraction's speed over time, as SVG inside the page of `diar status --report`."""

from __future__ import annotations

import math
import time
from html import escape

from diar.jobs.progress.report.shard_times import Pace
from diar.wording import times

_WIDTH, _HEIGHT = 900, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 4, 8, 24  # room for the labels, in units of the picture
_DAY = 86_400.0


def draw_speed(pace: Pace, told: str) -> str:
    """Return bars of multiples of real time over the clock; `told` is read out in their place."""
    top = _round_up(float(pace.speeds.max()))
    height = _HEIGHT - _TOP - _BOTTOM
    step = (_WIDTH - _LEFT - _RIGHT) / len(pace.speeds)
    bars = "".join(
        f'<rect x="{_LEFT + i * step:.1f}" y="{_TOP + height * (1 - speed / top):.1f}" '
        f'width="{max(step - 1, 0.5):.1f}" height="{height * speed / top:.1f}"/>'
        for i, speed in enumerate(pace.speeds.tolist())
    )
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="100%" role="img" font-size="11" fill="currentColor">'
        f"<title>{escape(told)}</title>{_scale(top, height)}"
        f'<g fill="var(--link)">{bars}</g>{_clock_marks(pace, step)}</svg>'
    )


def _scale(top: float, height: float) -> str:
    """Return lines at nothing, half and all of the scale, with their labels."""
    drawn = []
    for share in (0.0, 0.5, 1.0):
        y = _TOP + height * (1 - share)
        label = times(share * top) if share else "0"
        drawn.append(
            f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="var(--line)"/>'
            f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{label}</text>'
        )
    return "".join(drawn)


def _clock_marks(pace: Pace, step: float) -> str:
    """Return the time of day, with the date in a run of days, at the ends and between them."""
    form = "%H:%M" if pace.end - pace.start < _DAY else "%m-%d %H:%M"
    drawn = []
    for quarter in range(5):
        when = pace.start + (pace.end - pace.start) * quarter / 4
        x = _LEFT + step * len(pace.speeds) * quarter / 4
        anchor = {0: "start", 4: "end"}.get(quarter, "middle")
        label = time.strftime(form, time.localtime(when))
        drawn.append(f'<text x="{x:.1f}" y="{_HEIGHT - 6}" text-anchor="{anchor}">{label}</text>')
    return "".join(drawn)


def _round_up(value: float) -> float:
    """Return the next of 1, 2, 5 × a power of ten."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value * (1 - 1e-9))
