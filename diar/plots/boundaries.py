"""The picture of boundaries between files."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from diar.formats.files_table import NOT_USED, FileTable
from diar.formats.result_json import LOW_CONFIDENCE, DetectionResult
from diar.plots.style import png, speaker_color

PLOT_NAME = "boundary_detection_visualization.png"
_COLUMNS = 1_600  # of the image within the axes, about; more points are aggregated
_RAW = 2_000  # files up to which each one is drawn
_FEW_BOUNDARIES = 150  # up to which each one gets its own line
_MOST_LABELS = 60
_GREY, _BLUE = "#8a8f98", "#1f5fa8"
_GOOD, _DOUBTFUL, _BAD = "#2a9d4a", "#e08a00", "#d62728"


def draw_boundaries(result: DetectionResult, table: FileTable) -> bytes:
    """Draw similarity, boundaries with confidence, speakers and segment sizes along the archive as PNG."""
    figure = Figure(figsize=(17, 10.5), dpi=110)
    FigureCanvasAgg(figure)
    axes = figure.subplots(4, 1, sharex=True, height_ratios=[4.2, 1.8, 0.9, 2.2])
    figure.subplots_adjust(left=0.055, right=0.985, top=0.885, bottom=0.06, hspace=0.14)
    _title(figure, result)
    _draw_similarity(axes[0], result, table)
    _draw_confidence(axes[1], result)
    _draw_speakers(axes[2], result, table)
    _draw_sizes(axes[3], result)
    axes[3].set_xlim(-0.5, len(table) - 0.5)
    axes[3].set_xlabel("file, in archive order (position in files.csv)")
    axes[3].xaxis.set_major_locator(MaxNLocator(15, integer=True))
    axes[3].xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{int(value):,}".replace(",", " ")))
    return png(figure, Software=result.program)


def _title(figure: Figure, result: DetectionResult) -> None:
    counts = result.counts()
    size = result.parameters.get("segment_size")
    method = "automatic" if size == "auto" else f"about {size} files a speaker"
    figure.suptitle(
        "Speaker boundaries along the archive", fontsize=16, x=0.055, y=0.982, ha="left", weight="bold"
    )
    figure.text(
        0.055,
        0.932,
        f"{counts['recordings']} files · {counts['segments']} segments · {counts['speakers']} speakers · "
        f"{counts['boundaries']} boundaries ({counts['low_confidence_boundaries']} below confidence "
        f"{LOW_CONFIDENCE}) · {counts['odd_files']} files of another voice · "
        f"{counts['unclear_files']} unclear · "
        f"{counts['not_used']} without embedding · {counts['no_speech']} without speech · {method}",
        fontsize=11,
    )


def _draw_similarity(axes: Axes, result: DetectionResult, table: FileTable) -> None:
    handles = _draw_curves(axes, table, few_segments=len(result.segments) <= _COLUMNS // 4)
    if len(result.boundaries) <= _FEW_BOUNDARIES:
        for boundary in result.boundaries:
            color = _confidence_color(boundary.confidence)
            axes.axvline(boundary.index - 0.5, color=color, linewidth=1.0, alpha=0.75, zorder=1)
        handles.append(Line2D([], [], color=_GOOD, label="boundary, coloured by confidence"))
    for kind, marker, color, name in (
        ("foreign", "x", _BAD, "another voice"),
        ("unclear", "v", "#7b3fa0", "unclear (silence, noise, …)"),
    ):
        odd = [file for file in result.odd_files if file.kind == kind]
        if odd:
            axes.plot(
                [file.index for file in odd],
                [file.similarity for file in odd],
                marker,
                color=color,
                markersize=7 if len(odd) <= 100 else 3,
                zorder=4,
            )
            handles.append(Line2D([], [], marker=marker, ls="", color=color, label=f"{name} ({len(odd)})"))
    lowest = min((file.similarity for file in result.odd_files), default=0.0)
    axes.set_ylim(min(-0.1, lowest - 0.05, float(np.nanmin(table.across, initial=0.0)) - 0.05), 1.03)
    axes.set_ylabel("cosine similarity")
    axes.grid(axis="y", color="#e6e6e6", linewidth=0.6)
    axes.legend(
        handles=handles, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=6, fontsize=9, frameon=False
    )


def _draw_curves(axes: Axes, table: FileTable, few_segments: bool) -> list[Line2D]:
    """Draw the similarity of files to their segment, and across each place; return the legend."""
    places = np.arange(len(table))
    across = "5 files before and 5 from here on: falls where the voice changes"
    if len(table) <= _RAW:
        axes.plot(places, table.similarity, ".", color=_GREY, markersize=4, zorder=2)
        axes.plot(places - 0.5, table.across, "-", color=_BLUE, linewidth=1.1, zorder=3)
        dots = Line2D([], [], marker=".", ls="", color=_GREY, label="a file and its segment")
        return [dots, Line2D([], [], color=_BLUE, label=across)]
    centers, low, middle = aggregate(table.similarity)
    axes.fill_between(centers, low, middle, step="mid", color="#c9ccd2", linewidth=0, zorder=1)
    axes.plot(centers, middle, "-", color=_GREY, linewidth=0.9, zorder=2)
    handles = [Line2D([], [], color=_GREY, label="files and their segment: mean, and down to the least")]
    if few_segments:  # with a boundary in nearly every column, the least says nothing
        centers, low, _ = aggregate(table.across)
        axes.plot(centers, low, "-", color=_BLUE, linewidth=0.8, zorder=3)
        handles.append(Line2D([], [], color=_BLUE, label=f"{across} (least)"))
    return handles


def _draw_confidence(axes: Axes, result: DetectionResult) -> None:
    axes.set_ylim(-0.05, 1.08)
    axes.set_ylabel("confidence of\nboundaries")
    axes.axhspan(LOW_CONFIDENCE, 1.08, color="#eef7f0", zorder=0)
    axes.axhspan(0.5, LOW_CONFIDENCE, color="#fdf3e2", zorder=0)
    axes.axhspan(-0.05, 0.5, color="#fbe9e9", zorder=0)
    if not result.boundaries:
        axes.text(
            0.5, 0.5, "no boundary", transform=axes.transAxes, ha="center", va="center", color="#666666"
        )
        return
    x = np.array([boundary.index - 0.5 for boundary in result.boundaries])
    y = np.array([boundary.confidence for boundary in result.boundaries])
    colors = [_confidence_color(confidence) for confidence in y]
    order = np.argsort(-y, kind="stable")  # doubtful ones on top
    few = len(x) <= _FEW_BOUNDARIES
    if few:
        axes.vlines(x, 0, y, colors=colors, linewidth=1.2, zorder=2)
    axes.scatter(
        x[order],
        y[order],
        c=[colors[i] for i in order],
        s=26 if few else 9,
        zorder=3,
        linewidths=0,
        clip_on=False,
    )


def _draw_speakers(axes: Axes, result: DetectionResult, table: FileTable) -> None:
    number = {speaker.id: i for i, speaker in enumerate(result.speakers)}
    palette = np.array([*(speaker_color(i) for i in range(len(number))), (0.88, 0.88, 0.88)])
    of_segment = np.array([number[segment.speaker] for segment in result.segments])
    columns = np.linspace(0, len(table) - 1, min(len(table), 4 * _COLUMNS)).round().astype(int)
    segments = table.segment[columns]
    speakers = np.where(segments == NOT_USED, len(number), of_segment[np.maximum(segments, 0)])
    axes.imshow(
        palette[speakers][None], extent=(-0.5, len(table) - 0.5, 0, 1), aspect="auto", interpolation="nearest"
    )
    axes.set_yticks([])
    axes.set_ylabel("speaker", rotation=0, ha="right", va="center")
    if len(result.segments) <= _FEW_BOUNDARIES:
        for boundary in result.boundaries:
            axes.axvline(boundary.index - 0.5, color="white", linewidth=1.0)
    widest = len(table) / _MOST_LABELS
    for segment in result.segments:
        if segment.end - segment.start >= widest:
            text = str(number[segment.speaker] + 1)
            axes.text((segment.start + segment.end - 1) / 2, 0.5, text, ha="center", va="center", fontsize=9)


def _draw_sizes(axes: Axes, result: DetectionResult) -> None:
    starts = np.array([segment.start for segment in result.segments])
    ends = np.array([segment.end for segment in result.segments])
    counts = np.array([segment.count for segment in result.segments])
    number = {speaker.id: i for i, speaker in enumerate(result.speakers)}
    if len(counts) <= 2 * _FEW_BOUNDARIES:
        colors = [speaker_color(number[segment.speaker]) for segment in result.segments]
        axes.bar(
            starts - 0.5,
            counts,
            width=ends - starts,
            align="edge",
            color=colors,
            edgecolor="white",
            linewidth=0.6,
        )
    else:
        axes.fill_between(
            np.repeat(starts, 2), np.repeat(counts, 2), step="post", color="#9db4d0", linewidth=0
        )
    median = float(np.median(counts))
    axes.axhline(median, color="#444444", linewidth=1.0, linestyle="--")
    if len(counts) <= _MOST_LABELS:
        for start, end, count in zip(starts, ends, counts, strict=True):
            axes.text((start + end - 1) / 2, count, str(count), ha="center", va="bottom", fontsize=8)
    axes.set_ylim(0, 1.18 * counts.max())
    axes.set_ylabel(f"files in segment\n(median {median:g}, dashed)")
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))


def aggregate(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return centre, least and mean of at most `_COLUMNS` equal runs of (n,) values, without NaN."""
    edges = np.linspace(0, len(values), min(len(values), _COLUMNS) + 1).round().astype(int)
    filled = np.isfinite(values)
    counts = np.add.reduceat(filled, edges[:-1], dtype=np.int64)
    low = np.fmin.reduceat(values, edges[:-1])
    sums = np.add.reduceat(np.where(filled, values, 0.0), edges[:-1])
    means = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return (edges[:-1] + edges[1:] - 1) / 2, low, means


def _confidence_color(confidence: float) -> str:
    if confidence >= LOW_CONFIDENCE:
        return _GOOD
    return _DOUBTFUL if confidence >= 0.5 else _BAD
