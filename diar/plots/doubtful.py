"""The most doubtful boundaries, enlarged, with the names of the files on both sides."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from diar.formats.files_table import NOT_USED
from diar.formats.result_json import LOW_CONFIDENCE, Boundary, DetectionResult
from diar.plots.boundary_parts import (
    BLUE,
    NO_EMBEDDING,
    Scene,
    confidence_color,
    draw_odd_files,
    thousands,
)
from diar.plots.style import short

_MOST, _COLUMNS = 12, 4  # panels, and those beside each other
_AROUND = 12  # files on each side of the boundary
_HEAD, _PANEL = 0.75, 2.3  # inches: of the section's title, of a row of panels
_NAME = 52  # characters of a file's name


def choose_doubtful(result: DetectionResult) -> list[Boundary]:
    """Return the boundaries of the least confidence below `LOW_CONFIDENCE`, in archive order."""
    doubtful = [boundary for boundary in result.boundaries if boundary.confidence < LOW_CONFIDENCE]
    least = sorted(doubtful, key=lambda boundary: boundary.confidence)[:_MOST]
    return sorted(least, key=lambda boundary: boundary.index)


def doubtful_height(boundaries: list[Boundary]) -> float:
    """Return the inches that `draw_doubtful` takes."""
    return _HEAD + _PANEL * -(-len(boundaries) // _COLUMNS) if boundaries else 0.0


def draw_doubtful(figure: Figure, scene: Scene, boundaries: list[Boundary], height: float) -> None:
    """Draw a panel for each boundary at the bottom of a figure of `height` inches."""
    if not boundaries:
        return
    bottom = 0.3
    rows = -(-len(boundaries) // _COLUMNS)
    all_ = scene.result.counts()["low_confidence_boundaries"]
    which = "The doubtful boundaries" if all_ == len(boundaries) else f"The {_MOST} most doubtful boundaries"
    text = f"{which}, {_AROUND} files on each side"
    figure.text(0.06, (bottom + rows * _PANEL + 0.28) / height, text, fontsize=13, weight="bold")
    also = (
        f"{thousands(all_)} below {LOW_CONFIDENCE}, all in boundaries.csv with file names; each dot is a file"
    )
    figure.text(0.06, (bottom + rows * _PANEL + 0.06) / height, also, fontsize=9, color="#444444")
    for place, boundary in enumerate(boundaries):
        row, column = divmod(place, _COLUMNS)
        left = 0.06 + column * 0.2345
        top = bottom + (rows - row) * _PANEL - 0.35
        axes = figure.add_axes((left, (top - 1.2) / height, 0.212, 1.2 / height))
        _draw_panel(axes, scene, boundary, with_scale=column == 0)


def _draw_panel(axes: Axes, scene: Scene, boundary: Boundary, with_scale: bool) -> None:
    """Draw the surroundings of one boundary; each dot has its speaker's colour."""
    table, segments = scene.table, scene.result.segments
    first, end = max(0, boundary.index - _AROUND), min(len(scene), boundary.index + _AROUND)
    places = np.arange(first, end)
    used = places[table.segment[first:end] != NOT_USED]
    colors = [scene.colors[segments[segment].speaker] for segment in table.segment[used]]
    axes.scatter(used, table.similarity[used], c=colors, s=34, zorder=3, linewidths=0.5, edgecolors="#444444")
    for place in np.setdiff1d(places, used):
        axes.axvspan(place - 0.5, place + 0.5, color=NO_EMBEDDING, linewidth=0, zorder=0)
    axes.plot(places - 0.5, table.across[first:end], color=BLUE, linewidth=1.1, zorder=2)
    draw_odd_files(axes, scene.odd_files(first, end), size=8)
    for other in scene.boundaries(first, end):
        wide = 2.2 if other is boundary else 1.0
        axes.axvline(other.index - 0.5, color=confidence_color(other.confidence), linewidth=wide, zorder=1)
    axes.set_xlim(boundary.index - _AROUND - 0.5, boundary.index + _AROUND - 0.5)
    axes.set_ylim(scene.lowest, 1.03)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.xaxis.set_major_formatter(lambda value, _: thousands(value))
    axes.tick_params(labelsize=8, labelleft=with_scale)
    if with_scale:
        axes.set_ylabel("cosine")
    speakers = (segments[table.segment[place]].speaker for place in _sides(scene, boundary))
    numbers = " → ".join(str(scene.numbers[speaker] + 1) for speaker in speakers)
    title = f"at {thousands(boundary.index)} · confidence {boundary.confidence:.2f} · speaker {numbers}"
    axes.set_title(title, fontsize=9, loc="left", color=confidence_color(boundary.confidence), weight="bold")
    names = f"before  {short(boundary.before, _NAME)}\nafter    {short(boundary.after, _NAME)}"
    axes.text(0, -0.2, names, transform=axes.transAxes, fontsize=7.5, va="top", parse_math=False)


def _sides(scene: Scene, boundary: Boundary) -> tuple[int, int]:
    """Return the positions of the files with an embedding on both sides."""
    before = boundary.index - 1
    while scene.table.segment[before] == NOT_USED:
        before -= 1
    return before, boundary.index
