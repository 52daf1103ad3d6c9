"""What the parts of the boundary picture share: colours, curves, the strip of speakers, the legend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from diar.formats.files_table import NOT_USED, FileTable
from diar.formats.result_json import LOW_CONFIDENCE, Boundary, DetectionResult, OddFile
from diar.plots.style import Color, ink_on, number_names, person_color, rgb

COLUMNS = 1_600  # of the image within the axes, about; more points are aggregated
GREY, BLUE, NO_EMBEDDING = "#8a8f98", "#1f5fa8", "#e0e0e0"
GOOD, DOUBTFUL, BAD = "#2a9d4a", "#e08a00", "#d62728"
ODD = {  # kind of odd file: marker, colour, words
    "foreign": ("x", BAD, "another voice"),
    "unclear": ("v", "#7b3fa0", "unclear (silence, noise, …)"),
}
_RAW = 2_000  # files of a row up to which each one is drawn
_FEW_BOUNDARIES = 80  # of a row, up to which each one gets its own line
_CHARACTER = 1 / 150  # of a row's width, for a digit of a speaker's number
_ACROSS = "5 files before and 5 from here on: falls where the voice changes"


@dataclass(frozen=True)
class Scene:
    """What all panels draw."""

    result: DetectionResult
    table: FileTable
    numbers: dict[str, int]  # of the speakers' colours, from 0
    colors: dict[str, Color]  # of the speakers

    @classmethod
    def of(cls, result: DetectionResult, table: FileTable) -> Scene:
        """Give each speaker a colour."""
        numbers = number_names(speaker.id for speaker in result.speakers)
        return cls(result, table, numbers, {name: person_color(i) for name, i in numbers.items()})

    def __len__(self) -> int:
        return len(self.table)

    def boundaries(self, first: int, end: int) -> list[Boundary]:
        """Return the boundaries from `first` to before `end`."""
        return [boundary for boundary in self.result.boundaries if first <= boundary.index < end]

    def odd_files(self, first: int, end: int) -> list[OddFile]:
        """Return the odd files from `first` to before `end`."""
        return [file for file in self.result.odd_files if first <= file.index < end]

    @property
    def lowest(self) -> float:
        """Return the lower end of the scale of similarities."""
        values = (self.table.across, self.table.similarity)
        return min(-0.1, *(float(np.nanmin(value, initial=0.0)) - 0.05 for value in values))


def draw_similarity(axes: Axes, scene: Scene, first: int, end: int) -> None:
    """Draw similarities, boundaries and odd files of the files from `first` to before `end`."""
    boundaries = scene.boundaries(first, end)
    few = len(boundaries) <= _FEW_BOUNDARIES
    draw_curves(axes, scene.table, first, end, few_segments=few)
    for boundary in boundaries:
        if few or boundary.confidence < LOW_CONFIDENCE:
            color = confidence_color(boundary.confidence)
            axes.axvline(boundary.index - 0.5, color=color, linewidth=1.0, alpha=0.75, zorder=1)
    draw_odd_files(axes, scene.odd_files(first, end), size=7 if few else 3)
    axes.set_ylim(scene.lowest, 1.03)
    axes.set_ylabel("cosine")
    axes.grid(axis="y", color="#e6e6e6", linewidth=0.6)


def draw_curves(axes: Axes, table: FileTable, first: int, end: int, few_segments: bool) -> None:
    """Draw the similarity of files to their segment, and across each place."""
    similarity, across = table.similarity[first:end], table.across[first:end]
    if end - first <= _RAW:
        places = np.arange(first, end)
        axes.plot(places, similarity, ".", color=GREY, markersize=4, zorder=2)
        axes.plot(places - 0.5, across, "-", color=BLUE, linewidth=1.1, zorder=3)
        return
    centers, low, middle = aggregate(similarity)
    axes.fill_between(first + centers, low, middle, step="mid", color="#c9ccd2", linewidth=0, zorder=1)
    axes.plot(first + centers, middle, "-", color=GREY, linewidth=0.9, zorder=2)
    if few_segments:  # with a boundary in nearly every column, the least says nothing
        centers, low, _ = aggregate(across)
        axes.plot(first + centers, low, "-", color=BLUE, linewidth=0.8, zorder=3)


def draw_odd_files(axes: Axes, odd_files: Sequence[OddFile], size: float) -> None:
    """Mark files of another voice and unclear ones."""
    for kind, (marker, color, _) in ODD.items():
        own = [file for file in odd_files if file.kind == kind]
        x, y = [file.index for file in own], [file.similarity for file in own]
        axes.plot(x, y, marker, color=color, markersize=size, zorder=4)


def draw_speakers(axes: Axes, scene: Scene, first: int, end: int) -> None:
    """Draw the strip of speakers, with their numbers where they fit."""
    result, table = scene.result, scene.table
    columns = np.linspace(first, end - 1, min(end - first, 4 * COLUMNS)).round().astype(int)
    palette = np.array([*(scene.colors[segment.speaker] for segment in result.segments), rgb(NO_EMBEDDING)])
    segments = table.segment[columns]
    colors = palette[np.where(segments == NOT_USED, len(palette) - 1, segments)]
    extent = (first - 0.5, end - 0.5, 0, 1)
    axes.imshow(colors[None], extent=extent, aspect="auto", interpolation="nearest")
    axes.set_yticks([])
    axes.set_ylabel("speaker", rotation=0, ha="right", va="center")
    boundaries = scene.boundaries(first, end)
    if len(boundaries) <= _FEW_BOUNDARIES:
        for boundary in boundaries:
            axes.axvline(boundary.index - 0.5, color="white", linewidth=1.0)
    for segment in result.segments:
        left, right = max(segment.start, first), min(segment.end, end)
        text = str(scene.numbers[segment.speaker] + 1)
        if right - left > (len(text) + 1) * _CHARACTER * (end - first):
            _write_number(axes, (left + right - 1) / 2, text, scene.colors[segment.speaker])


def _write_number(axes: Axes, place: float, text: str, color: Color) -> None:
    """Write a speaker's number on the speaker's colour, over lines."""
    box = {"facecolor": color, "edgecolor": "none", "pad": 0.5}
    ink = ink_on(color)
    axes.text(place, 0.5, text, ha="center", va="center_baseline", fontsize=9, color=ink, bbox=box)


def legend(scene: Scene, row: int) -> list[Artist]:
    """Return an entry for everything that is drawn in rows of `row` files."""
    entries: list[Artist] = []
    most = [len(scene.boundaries(first, first + row)) for first in range(0, len(scene), row)]
    few = min(most) <= _FEW_BOUNDARIES
    if row <= _RAW:
        entries.append(Line2D([], [], marker=".", ls="", color=GREY, label="a file and its segment"))
    else:
        label = "files and their segment: mean, and down to the least"
        entries.append(Line2D([], [], color=GREY, linewidth=3, alpha=0.6, label=label))
    if row <= _RAW or few or scene.result.counts()["low_confidence_boundaries"]:
        entries.append(Line2D([], [], color=BLUE, label=_ACROSS))
    if scene.result.boundaries and few:
        entries.append(Line2D([], [], color=GOOD, label=f"boundary, confidence from {LOW_CONFIDENCE}"))
    if scene.result.boundaries:
        entries += [
            Line2D([], [], color=DOUBTFUL, label=f"doubtful: 0.5 to {LOW_CONFIDENCE}"),
            Line2D([], [], color=BAD, label="very doubtful: below 0.5"),
        ]
    for kind, (marker, color, words) in ODD.items():
        count = sum(file.kind == kind for file in scene.result.odd_files)
        if count:
            label = f"{words} ({thousands(count)})"
            entries.append(Line2D([], [], marker=marker, ls="", color=color, label=label))
    if scene.result.not_used:
        entries.append(Patch(color=NO_EMBEDDING, label="no embedding"))
    return entries


def aggregate(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return centre, least and mean of at most `COLUMNS` equal runs of (n,) values, without NaN."""
    edges = np.linspace(0, len(values), min(len(values), COLUMNS) + 1).round().astype(int)
    filled = np.isfinite(values)
    counts = np.add.reduceat(filled, edges[:-1], dtype=np.int64)
    low = np.fmin.reduceat(values, edges[:-1])
    sums = np.add.reduceat(np.where(filled, values, 0.0), edges[:-1])
    means = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return (edges[:-1] + edges[1:] - 1) / 2, low, means


def confidence_color(confidence: float) -> str:
    """Return the colour of a boundary."""
    if confidence >= LOW_CONFIDENCE:
        return GOOD
    return DOUBTFUL if confidence >= 0.5 else BAD


def thousands(number: float) -> str:
    """Format a whole number: `12 345`."""
    return f"{int(number):,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def count_text(number: int, thing: str) -> str:
    """Format a number of things: `1 boundary`, `12 345 files`."""
    plural = thing.removesuffix("y") + "ies" if thing.endswith("y") else f"{thing}s"
    return f"{thousands(number)} {thing if number == 1 else plural}"
