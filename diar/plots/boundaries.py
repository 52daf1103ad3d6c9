"""The picture of boundaries between files: the archive in rows, amounts, and the doubtful places enlarged."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, MultipleLocator

from diar.formats.files_table import FileTable
from diar.formats.result_json import LOW_CONFIDENCE, DetectionResult
from diar.plots.boundary_parts import (
    Scene,
    confidence_color,
    count_text,
    draw_similarity,
    draw_speakers,
    legend,
    thousands,
)
from diar.plots.doubtful import choose_doubtful, doubtful_height, draw_doubtful
from diar.plots.style import png

_WIDTH, _LEFT, _RIGHT = 17.0, 0.06, 0.985  # inches; shares of the width
_FILES_A_ROW, _SEGMENTS_A_ROW, _MOST_ROWS = 1_000, 24, 10
_TOP, _BOTTOM = 1.45, 0.55  # inches: title and legend; below everything
_MOST_COUNTS = 60  # segments up to which each one's number of files is written
_TINTS = ((0.5, "#fbe9e9"), (LOW_CONFIDENCE, "#fdf3e2"), (1.0, "#eef7f0"))  # up to a confidence


def draw_boundaries(result: DetectionResult, table: FileTable) -> bytes:
    """Draw similarity, boundaries with confidence, speakers and segment sizes along the archive as PNG.

    An archive that is too long for a line is cut into rows, like text. The most doubtful boundaries are
    enlarged below, with the names of the files.
    """
    scene = Scene.of(result, table)
    rows, long = _divide(len(table), len(result.segments))
    doubtful = choose_doubtful(result)
    overview = 7.9 if rows == 1 else 1.85 * rows + 2.3
    height = _TOP + overview + doubtful_height(doubtful) + _BOTTOM
    figure = Figure(figsize=(_WIDTH, height), dpi=110)
    FigureCanvasAgg(figure)
    _title(figure, result, height)
    figure.legend(
        handles=legend(scene, long), loc="upper left", bbox_to_anchor=(_LEFT - 0.008, 1 - 0.68 / height),
        ncols=5, fontsize=9, frameon=False,
    )  # fmt: skip
    if rows == 1:
        _draw_panels(figure, scene, height)
    else:
        _draw_rows(figure, scene, long, height)
    draw_doubtful(figure, scene, doubtful, height)
    return png(figure, Software=result.program)


def _divide(files: int, segments: int) -> tuple[int, int]:
    """Return the number of rows, and the files in each: a multiple of those between labels."""
    if segments <= _SEGMENTS_A_ROW and files <= 2 * _FILES_A_ROW:
        return 1, files
    rows = min(_MOST_ROWS, max(2, files // _FILES_A_ROW, round(segments / _SEGMENTS_A_ROW)))
    step = _between_labels(-(-files // rows))
    long = step * -(-files // (rows * step))
    return -(-files // long), long


def _between_labels(files: int) -> int:
    """Return the files between two labels of a row: a round number, for ten to twenty labels."""
    magnitude = 10 ** max(0, int(np.log10(files / 10)))
    return next(step * magnitude for step in (1, 2, 5, 10) if step * magnitude * 20 >= files)


def _title(figure: Figure, result: DetectionResult, height: float) -> None:
    counts = result.counts()
    size = result.parameters.get("segment_size")
    method = "automatic" if size == "auto" else f"about {size} files a speaker"
    figure.text(_LEFT, 1 - 0.32 / height, "Speaker boundaries along the archive", fontsize=16, weight="bold")
    parts = [
        count_text(counts["recordings"], "file"),
        count_text(counts["segments"], "segment"),
        count_text(counts["speakers"], "speaker"),
        f"{count_text(counts['boundaries'], 'boundary')} "
        f"({thousands(counts['low_confidence_boundaries'])} below confidence {LOW_CONFIDENCE})",
        f"{count_text(counts['odd_files'], 'file')} of another voice",
        f"{thousands(counts['unclear_files'])} unclear",
        f"{thousands(counts['not_used'])} without embedding",
        f"{thousands(counts['no_speech'])} without speech",
        method,
    ]
    figure.text(_LEFT, 1 - 0.6 / height, " · ".join(parts), fontsize=11)


def _place(figure: Figure, height: float, top: float, tall: float, left: float, right: float) -> Axes:
    """Add axes whose top and height are in inches, from the figure's top; left and right are shares."""
    return figure.add_axes((left, 1 - (top + tall) / height, right - left, tall / height))


def _draw_panels(figure: Figure, scene: Scene, height: float) -> None:
    """Draw a short archive in one row."""
    tall = (3.3, 1.4, 0.7, 1.9)
    tops = _TOP + np.cumsum((0.0, *(one + 0.17 for one in tall[:-1])))
    panels = [_place(figure, height, top, one, _LEFT, _RIGHT) for top, one in zip(tops, tall, strict=True)]
    draw_similarity(panels[0], scene, 0, len(scene))
    _draw_confidence(panels[1], scene.result)
    draw_speakers(panels[2], scene, 0, len(scene))
    _draw_sizes(panels[3], scene)
    for axes in panels:
        axes.set_xlim(-0.5, len(scene) - 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(15, integer=True))
        axes.xaxis.set_major_formatter(lambda value, _: thousands(value))
        axes.tick_params(labelbottom=axes is panels[3])
    panels[3].set_xlabel("file, in archive order (position in files.csv)")


def _draw_confidence(axes: Axes, result: DetectionResult) -> None:
    axes.set_ylim(0, 1.08)
    axes.set_ylabel("confidence of\nboundaries")
    below = 0.0
    for above, tint in _TINTS:
        axes.axhspan(below, above if above < 1 else 1.08, color=tint, zorder=0, linewidth=0)
        below = above
    if not result.boundaries:
        text = "no boundary: all files are of one segment"
        axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color="#555555")
    for boundary in result.boundaries:
        color = confidence_color(boundary.confidence)
        axes.plot([boundary.index - 0.5] * 2, [0, boundary.confidence], color=color, linewidth=1.2)
        axes.plot(boundary.index - 0.5, boundary.confidence, "o", color=color, markersize=5, clip_on=False)


def _draw_sizes(axes: Axes, scene: Scene) -> None:
    segments = scene.result.segments
    starts, ends, counts = (np.array([getattr(s, k) for s in segments]) for k in ("start", "end", "count"))
    axes.bar(
        starts - 0.5, counts, width=ends - starts, align="edge", edgecolor="white", linewidth=0.6,
        color=[scene.colors[segment.speaker] for segment in segments],
    )  # fmt: skip
    median = float(np.median(counts))
    axes.axhline(median, color="#444444", linewidth=1.0, linestyle="--")
    box = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}  # so that no line runs through the number
    if len(counts) <= _MOST_COUNTS:
        for start, end, count in zip(starts, ends, counts, strict=True):
            axes.annotate(
                str(count), ((start + end - 1) / 2, count), (0, 3), textcoords="offset points", ha="center",
                va="bottom", fontsize=8, bbox=box, zorder=5,
            )  # fmt: skip
    axes.set_ylim(0, 1.25 * max(counts.max(), 1))
    axes.set_ylabel(f"files in segment\n(median {median:g}, dashed)")
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))


def _draw_rows(figure: Figure, scene: Scene, long: int, height: float) -> None:
    """Draw the archive in rows of equally many files, and how confidences and sizes are distributed."""
    rows = -(-len(scene) // long)
    for row in range(rows):
        first, end = row * long, min(len(scene), (row + 1) * long)
        top = _TOP + 1.85 * row
        upper = _place(figure, height, top, 1.1, _LEFT, _RIGHT)
        lower = _place(figure, height, top + 1.1, 0.3, _LEFT, _RIGHT)
        draw_similarity(upper, scene, first, end)
        draw_speakers(lower, scene, first, end)
        for axes in (upper, lower):
            axes.set_xlim(first - 0.5, first + long - 0.5)
            axes.xaxis.set_major_locator(MultipleLocator(_between_labels(long)))
        upper.tick_params(labelbottom=False, bottom=False)
        lower.xaxis.set_major_formatter(lambda value, _: thousands(value))
    lower.set_xlabel("file, in archive order (position in files.csv)")
    top = _TOP + 1.85 * rows + 0.4
    _draw_confidences(_place(figure, height, top, 1.5, _LEFT, 0.49), scene.result)
    _draw_size_counts(_place(figure, height, top, 1.5, 0.555, _RIGHT), scene.result)


def _draw_confidences(axes: Axes, result: DetectionResult) -> None:
    confidences = np.array([boundary.confidence for boundary in result.boundaries])
    counts, edges = np.histogram(confidences, np.linspace(0, 1, 21))
    middles = (edges[:-1] + edges[1:]) / 2
    colors = [confidence_color(middle) for middle in middles]
    axes.bar(middles, counts, width=0.046, color=colors)
    axes.set_yscale("symlog", linthresh=1)
    axes.set_ylim(0, 8 * max(counts.max(), 1))
    axes.yaxis.set_major_formatter(lambda value, _: thousands(value))
    for middle, count in zip(middles, counts, strict=True):
        if count:
            axes.text(middle, count * 1.1, thousands(count), ha="center", va="bottom", fontsize=8)
    axes.set_xlim(0, 1)
    axes.set_xlabel("confidence of boundaries")
    axes.set_ylabel("boundaries")


def _draw_size_counts(axes: Axes, result: DetectionResult) -> None:
    counts = np.array([segment.count for segment in result.segments])
    axes.hist(counts, bins=min(60, max(5, int(np.ptp(counts)))), color="#9db4d0")
    median = float(np.median(counts))
    axes.axvline(median, color="#444444", linewidth=1.0, linestyle="--")
    axes.set_xlabel(f"files in a segment ({counts.min()} to {counts.max()}, median {median:g}, dashed)")
    axes.set_ylabel("segments")
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
