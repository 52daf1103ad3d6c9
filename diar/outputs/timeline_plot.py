"""The picture of one recording: who speaks when, a lane a speaker, overlap marked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.transforms import blended_transform_factory

from diar.outputs.lanes import GAP, GREY, OVERLAP, Group, Lane, arrange
from diar.outputs.plot_parts import png, short
from diar.outputs.rttm import Turn
from diar.outputs.stretches import running_seconds
from diar.outputs.strips import MOST_STRIPS, amount, divide, draw_clock
from diar.outputs.turns_json import RecordingTurns

TIMELINE_NAME = "timeline.png"
_WIDTH, _DPI = 17.0, 100
_MARGIN, _RIGHT = 0.012, 0.974
_LANE_INCHES = 0.17
_LETTER_INCHES = 0.068  # of a label
_TALLEST = 24.0  # inches of all strips together, beyond which strips become fewer and longer
_OUTSIDE = "#e9e9ec"
_FAINTEST = 0.3  # what is there for a moment only must still be seen
_BRIEF = 0.25  # seconds of a pixel up to which nobody minds that it mixes
_ROWS = 10  # of the image, a lane


def draw_timeline(result: RecordingTurns, reference: Sequence[Turn] | None = None) -> bytes:
    """PNG of a recording's turns, above them the reference's, partners in one colour.

    Each pixel is as strong as the share of its time that is spoken, so that hours of short turns look as
    dense as they are. Long recordings are cut into strips, one below the other.
    """
    groups = arrange(result.turns, reference)
    lanes = groups[-1].bottom
    strip_inches = max(0.8, _LANE_INCHES * lanes)
    most = max(1, min(MOST_STRIPS, int(_TALLEST / strip_inches)))
    length, strips = divide(result.duration, most)
    head, foot, between = 0.84, 0.4, 0.33
    total = head + foot + strips * strip_inches + (strips - 1) * between
    figure = Figure(figsize=(_WIDTH, total), dpi=_DPI)
    FigureCanvasAgg(figure)
    panels = figure.subplots(strips, 1, squeeze=False)[:, 0]
    left = _left_margin(groups)
    figure.subplots_adjust(
        left=left, right=_RIGHT, top=1 - head / total, bottom=foot / total, hspace=between / strip_inches
    )
    pixels = round(_WIDTH * _DPI * (_RIGHT - left))
    _draw_title(figure, result, groups, length / pixels, total)
    for number, axes in enumerate(panels):
        edges = np.linspace(number * length, (number + 1) * length, pixels + 1)
        _draw_strip(figure, axes, groups, edges, result.duration)
    return png(figure, Software=result.program)


def _left_margin(groups: list[Group]) -> float:
    """Room for labels and titles, as a share of the picture's width."""
    longest = max(len(lane.label) for group in groups for lane in group.lanes)
    title = max(len(group.title) for group in groups)
    return (0.35 + _LETTER_INCHES * (longest + 1.2 * title)) / _WIDTH


def _draw_strip(figure: Figure, axes: Axes, groups: list[Group], edges: np.ndarray, duration: float) -> None:
    """One strip; `edges` (pixels + 1,) are the times of its pixels' borders."""
    bottom, start, end = groups[-1].bottom, edges[0], edges[-1]
    axes.set_facecolor(_OUTSIDE)
    axes.axvspan(start, min(end, duration), color="white", linewidth=0, zorder=0)
    image = np.zeros((round(bottom * _ROWS), len(edges) - 1, 4))
    for lane in (lane for group in groups for lane in group.lanes):
        first, last = round(lane.top * _ROWS) + 1, round((lane.top + lane.height) * _ROWS) - 1
        image[first:last] = _shaded(lane, edges)
    axes.imshow(image, extent=(start, end, bottom, 0), aspect="auto", interpolation="nearest", zorder=2)
    axes.set_xlim(start, end)
    axes.set_ylim(bottom + 0.1, -0.1)
    _label(figure, axes, groups, (start + min(end, duration)) / 2)
    draw_clock(axes, end - start)


def _label(figure: Figure, axes: Axes, groups: list[Group], middle: float) -> None:
    """Names of lanes and groups, lines between them; an empty lane says so at `middle` seconds, too."""
    for group in groups[1:]:
        axes.axhline(group.top - GAP / 2, color="#444444", linewidth=0.8)
    for group in groups:
        axes.text(
            _MARGIN, (group.top + group.bottom) / 2, group.title, fontsize=9, weight="bold", va="center",
            transform=blended_transform_factory(figure.transFigure, axes.transData), clip_on=False,
        )  # fmt: skip
    lanes = [lane for group in groups for lane in group.lanes]
    for lane in lanes:
        axes.axhline(lane.top + lane.height, color="#ececef", linewidth=0.5, zorder=1)
        if not len(lane.own):
            axes.text(middle, lane.top + 0.5, lane.label, fontsize=11, ha="center", va="center", color=GREY)
    places = [lane.top + lane.height / 2 for lane in lanes]
    axes.set_yticks(places, [lane.label for lane in lanes], fontsize=8, parse_math=False)
    axes.tick_params(axis="y", length=0)


def _shaded(lane: Lane, edges: np.ndarray) -> np.ndarray:
    """(columns, 4) colours: opaque by the share of each column that is spoken, darker where with others."""
    width = np.diff(edges)
    spoken = np.diff(running_seconds(lane.own, edges)) / width
    mixed = np.minimum(np.diff(running_seconds(lane.shared, edges)) / width, spoken)
    dark = np.where(spoken > 0, mixed / np.maximum(spoken, 1e-12), 0.0)
    colors = np.empty((len(width), 4))
    colors[:, :3] = np.array(lane.color) * (1 - 0.55 * dark[:, None])
    colors[:, 3] = np.where(spoken > 1e-9, _FAINTEST + (1 - _FAINTEST) * spoken, 0.0)
    return np.clip(colors, 0.0, 1.0)


def _draw_title(
    figure: Figure, result: RecordingTurns, groups: list[Group], pixel: float, height: float
) -> None:
    figure.text(
        _MARGIN, 1 - 0.27 / height, short(result.recording_id, 110), fontsize=14, weight="bold", va="center",
        parse_math=False,
    )  # fmt: skip
    speech, overlap, duration = result.speech_seconds, result.overlap_seconds, result.duration
    parts = [
        _count(len(result.speakers), "speaker"),
        _count(len(result.turns), "turn"),
        f"speech {amount(speech)} of {amount(duration)} ({speech / max(duration, 1e-9):.0%})",
        f"overlap {amount(overlap)} ({overlap / max(speech, 1e-9):.0%} of speech)",
        f"clustering: {result.clustering.method}",
    ]
    figure.text(_MARGIN, 1 - 0.56 / height, " · ".join(parts), fontsize=10, va="center")
    handles = []
    if pixel > _BRIEF:
        handles.append(Patch(color="#c3c6cb", label=f"pale: speaks in a part of each {pixel:.1f} s only"))
    if any(len(lane.shared) for group in groups for lane in group.lanes):
        handles.append(Patch(color=OVERLAP, label="overlap (dark in the speakers' lanes)"))
    if handles:
        figure.legend(
            handles=handles, loc="center right", bbox_to_anchor=(_RIGHT, 1 - 0.56 / height), ncols=3,
            fontsize=9, frameon=False, borderaxespad=0,
        )  # fmt: skip


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
