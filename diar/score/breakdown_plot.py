"""The errors of all recordings beside each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import PercentFormatter

from diar.plots.style import png, short
from diar.score.amounts import Amounts
from diar.score.plot_parts import ERROR_COLORS, rates, summary
from diar.score.recording import RecordingScore

_MOST_BARS = 50
_BINS = 400


def draw_breakdown(scores: Sequence[RecordingScore], pooled: Amounts, options: str) -> bytes:
    """Return a PNG of miss, false alarm and confusion of recordings with reference speech, worst first."""
    ranked = sorted(
        (score for score in scores if score.amounts.der is not None),
        key=lambda score: (-(score.amounts.der or 0.0), score.recording),
    )
    few = len(ranked) <= _MOST_BARS
    figure = Figure(figsize=(13, 2.1 + 0.27 * len(ranked)) if few else (15, 6.5), dpi=100)
    FigureCanvasAgg(figure)
    total = float(figure.get_figheight())
    axes = figure.add_subplot()
    left = min(0.3, 0.04 + 0.0065 * max((len(short(s.recording)) for s in ranked), default=0))
    figure.subplots_adjust(left=left if few else 0.06, right=0.97, top=1 - 1.1 / total, bottom=0.6 / total)
    (_draw_bars if few else _draw_curve)(axes, ranked, pooled)
    count = f"{len(ranked)} recordings, " if len(ranked) > 1 else ""
    figure.text(0.02, 1 - 0.3 / total, f"DER of {count}worst first", fontsize=15, weight="bold")
    figure.text(0.02, 1 - 0.58 / total, f"pooled {summary(pooled)}", fontsize=10)
    figure.text(0.02, 1 - 0.8 / total, options, fontsize=9, color="#444444", parse_math=False)
    return png(figure)


def _draw_bars(axes: Axes, ranked: Sequence[RecordingScore], pooled: Amounts) -> None:
    rows = [("pooled", pooled), *((score.recording, score.amounts) for score in ranked)]
    limit = _limit([amounts.der or 0.0 for _, amounts in rows])
    for place, (_, amounts) in enumerate(rows):
        left = 0.0
        for value, color in zip(rates(amounts), ERROR_COLORS.values(), strict=True):
            axes.barh(place, value, left=left, color=color, height=0.72)
            left += value
        beyond = left > limit
        text = f"{100 * left:.1f} %{' →' if beyond else ''}"
        axes.text(
            limit * 0.995 if beyond else left + 0.006 * limit, place, text,
            va="center", ha="right" if beyond else "left", fontsize=9,
            color="white" if beyond else "black", weight="bold" if place == 0 or beyond else "normal",
        )  # fmt: skip
    axes.axhline(0.5, color="#444444", linewidth=0.8)
    axes.set_yticks(range(len(rows)), [short(name) for name, _ in rows], fontsize=9, parse_math=False)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(0, limit)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.set_xlabel("share of the recording's reference speech")
    axes.grid(axis="x", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    _breakdown_legend(axes)


def _draw_curve(axes: Axes, ranked: Sequence[RecordingScore], pooled: Amounts) -> None:
    """Draw a thin column for each recording; beyond `_BINS` of them, neighbours are pooled."""
    groups = np.array_split(np.arange(len(ranked)), min(len(ranked), _BINS))
    sums = [sum((ranked[i].amounts for i in group), Amounts()) for group in groups]
    heights = np.array([rates(amounts) for amounts in sums])
    edges = np.array([*(group[0] for group in groups), len(ranked)], dtype=float)
    base = np.zeros(len(groups))
    for column, color in zip(heights.T, ERROR_COLORS.values(), strict=True):
        axes.bar(
            edges[:-1], column, width=np.diff(edges), bottom=base, align="edge", color=color, linewidth=0
        )
        base += column
    limit = _limit(base.tolist())
    over = int((base > limit).sum())
    if over:
        text = f"{over} beyond this scale, up to {100 * base.max():.0f} %"
        axes.text(
            0.006, 0.985, text, transform=axes.transAxes, va="top", fontsize=10, color="white", weight="bold"
        )
    lines = (
        (pooled.der or 0.0, "pooled", "-"),
        (float(np.median([score.amounts.der or 0.0 for score in ranked])), "median", "--"),
    )
    for rate, name, style in lines:
        upper = (rate, name) == max(lines)[:2]  # its label is above both lines, the other one's below
        axes.axhline(rate, color="black", linewidth=1.1, linestyle=style)
        axes.text(
            len(ranked) * 0.998, rate, f"{name} {100 * rate:.1f} %", ha="right",
            va="bottom" if upper else "top", fontsize=10,
        )  # fmt: skip
    axes.set_xlim(0, len(ranked))
    axes.set_ylim(0, limit)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    grouped = "" if len(groups) == len(ranked) else f", about {len(ranked) // len(groups)} a column"
    axes.set_xlabel(f"recordings, worst first{grouped}")
    axes.set_ylabel("share of reference speech")
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    _breakdown_legend(axes)


def _breakdown_legend(axes: Axes) -> None:
    axes.legend(
        handles=[Patch(color=color, label=name) for name, color in ERROR_COLORS.items()],
        loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=3, fontsize=10, frameon=False,
    )  # fmt: skip


def _limit(rates: Sequence[float]) -> float:
    """Return the end of the scale, which a few recordings with very large errors do not decide."""
    usual = float(np.quantile(rates, 0.95)) if rates else 0.0
    return max(0.05, 1.12 * min(max(rates, default=0.0), max(1.0, 1.5 * usual)))
