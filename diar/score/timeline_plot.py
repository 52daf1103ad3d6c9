"""One recording's turns against its reference, and where they are wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from diar.intervals import running_seconds
from diar.plots.style import number_names, person_color, png, short
from diar.plots.time_axis import MOST_STRIPS, divide, draw_clock
from diar.records import Turn
from diar.score.error_intervals import error_intervals
from diar.score.plot_parts import ERROR_COLORS, summary
from diar.score.recording import RecordingScore

_UNSCORED = "#e9e9ec"
_UNMAPPED = "#6f737b"  # reference speakers without a partner
_MOST_LABELS = 12  # lanes up to which each is labelled
_SHARES_FROM = 1_200  # seconds; in longer strips errors are drawn as shares of time
_SHARES = 600  # in a strip
_DRAWN_SECONDS = 1 / 1_200  # of a strip: shorter errors are drawn as long as that, so that they can be seen


def draw_timeline(score: RecordingScore, options: str, numbers: Mapping[str, int] | None = None) -> bytes:
    """Return a PNG: the reference, the hypothesis with partners in the same colours, and the errors.

    Long recordings are cut into strips, one below the other; `options` says what was scored. `numbers`
    are those of the colours of all people of the hypothesis (`style.number_names`); default: of those here.
    """
    end = max([turn.end for turn in (*score.reference, *score.hypothesis)], default=1.0)
    speakers = len({turn.speaker for turn in score.reference} | {turn.speaker for turn in score.hypothesis})
    length, strips = divide(end, max(2, MOST_STRIPS - speakers // 5))
    lanes = _Lanes.of(score, numbers, shares=length >= _SHARES_FROM)
    if lanes.shares:
        options += f" · errors as share of every {length / _SHARES:.0f} s"
    height = min(4.5, max(1.1, 0.16 * lanes.count + 0.3))
    figure = Figure(figsize=(17, 1.25 + strips * (height + 0.35)), dpi=100)
    FigureCanvasAgg(figure)
    total = float(figure.get_figheight())
    panels = figure.subplots(strips, 1, squeeze=False)[:, 0]
    figure.subplots_adjust(
        left=0.125, right=0.972, top=1 - 0.85 / total, bottom=0.42 / total, hspace=0.35 / height
    )
    _timeline_title(figure, score, options, total)
    for number, axes in enumerate(panels):
        _draw_strip(axes, score, lanes, number * length, length)
    figure.legend(
        handles=[
            *(Patch(color=color, label=name) for name, color in ERROR_COLORS.items()),
            Patch(color=_UNSCORED, label="not scored"),
            *([Patch(color=_UNMAPPED, label="speaker whom nobody found")] if lanes.unmapped else []),
        ],
        loc="upper right",
        bbox_to_anchor=(0.99, 1 - 0.42 / total),
        ncols=5,
        fontsize=9,
        frameon=False,
    )
    return png(figure)


@dataclass(frozen=True)
class _Lanes:
    """Vertical places: speakers of the reference, those of the hypothesis, three kinds of errors."""

    reference: dict[str, int]
    hypothesis: dict[str, int]  # below the reference
    colors: dict[tuple[str, str], object]  # by side and speaker
    shares: bool  # errors are drawn as shares of time

    @classmethod
    def of(cls, score: RecordingScore, numbers: Mapping[str, int] | None, shares: bool) -> _Lanes:
        """Order speakers by their first turn; partners get the same order and colour."""
        reference = {s: i for i, s in enumerate(_by_first_turn(score.reference))}
        partner = {there: found for found, there in score.mapping.items()}
        mapped = [partner[s] for s in reference if s in partner]
        alone = [s for s in _by_first_turn(score.hypothesis) if s not in score.mapping]
        found = [*mapped, *alone]
        numbers = number_names(found) if numbers is None else numbers
        colors: dict[tuple[str, str], object] = {("h", s): person_color(numbers[s]) for s in found}
        colors |= {("r", s): colors["h", partner[s]] if s in partner else _UNMAPPED for s in reference}
        return cls(reference, {s: i for i, s in enumerate(found)}, colors, shares)

    @property
    def unmapped(self) -> bool:
        """Return whether the reference has a speaker without a partner."""
        return _UNMAPPED in self.colors.values()

    @property
    def first_hypothesis(self) -> float:
        """Return the top of the hypothesis; lanes are 1 high, groups 0.6 apart."""
        return max(1, len(self.reference)) + 0.6

    @property
    def first_error(self) -> float:
        """Return the top of the errors."""
        return self.first_hypothesis + max(1, len(self.hypothesis)) + 0.6

    @property
    def count(self) -> float:
        """Return the height of everything, in lanes."""
        return self.first_error + 3 * self.error_height

    @property
    def error_height(self) -> float:
        """Return the height of one lane of errors, larger among many speakers so that it stays legible."""
        return max(2.0 if self.shares else 1.0, (len(self.reference) + len(self.hypothesis)) / 14)


def _draw_strip(axes: Axes, score: RecordingScore, lanes: _Lanes, start: float, length: float) -> None:
    end = start + length
    axes.set_xlim(start, end)
    axes.set_ylim(lanes.count + 0.1, -0.1)
    axes.set_facecolor(_UNSCORED)
    scored = [(a, b - a) for a, b in score.regions if b > start and a < end]
    axes.broken_barh(scored, (-0.1, lanes.count + 0.2), color="white", linewidth=0, zorder=0)
    for side, turns, places, first in (
        ("r", score.reference, lanes.reference, 0.0),
        ("h", score.hypothesis, lanes.hypothesis, lanes.first_hypothesis),
    ):
        for speaker, place in places.items():
            own = [
                turn for turn in turns if turn.speaker == speaker and turn.end > start and turn.start < end
            ]
            bars = _bars([(turn.start, turn.end) for turn in own], length)
            color = lanes.colors[side, speaker]
            axes.broken_barh(bars, (first + place + 0.08, 0.84), facecolor=color, linewidth=0, zorder=2)
    _draw_errors(axes, score, lanes, start, length)
    for line in (lanes.first_hypothesis - 0.3, lanes.first_error - 0.3):
        axes.axhline(line, color="#444444", linewidth=0.8)
    _label_lanes(axes, lanes)
    draw_clock(axes, length)


def _draw_errors(axes: Axes, score: RecordingScore, lanes: _Lanes, start: float, length: float) -> None:
    """Draw each error, or in strips of many minutes the share of every few seconds that is wrong."""
    end = start + length
    errors = [error for error in error_intervals(score) if error.end > start and error.start < end]
    height = lanes.error_height
    for place, (name, color) in enumerate(ERROR_COLORS.items()):
        wrong = [(error.start, error.end) for error in errors if getattr(error, name.replace(" ", "_"))]
        top = lanes.first_error + place * height
        if not lanes.shares:
            bars = _bars(wrong, length)
            axes.broken_barh(bars, (top + 0.04, height - 0.08), facecolor=color, linewidth=0, zorder=2)
        elif wrong:
            edges = np.linspace(start, end, _SHARES + 1)
            until = running_seconds(np.array(wrong), edges)
            floor = top + height - 0.04
            shares = (height - 0.08) * np.diff(until) / np.diff(edges)
            axes.stairs(floor - shares, edges, baseline=floor, fill=True, color=color, linewidth=0, zorder=2)


def _label_lanes(axes: Axes, lanes: _Lanes) -> None:
    named = len(lanes.reference) + len(lanes.hypothesis) <= _MOST_LABELS
    groups = (("reference", lanes.reference, 0.0), ("hypothesis", lanes.hypothesis, lanes.first_hypothesis))
    places, labels = [], []
    for title, speakers, first in groups:
        if named and speakers:
            places += [first + place + 0.5 for place in speakers.values()]
            labels += [short(speaker, 14) for speaker in speakers]
        middle = first + max(1, len(speakers)) / 2
        text = title if speakers else f"no {title}"
        text = text if named else f"{text} ({len(speakers)})"
        axes.text(
            -0.134, middle, text, fontsize=9, weight="bold",
            va="center", transform=axes.get_yaxis_transform(), clip_on=False,
        )  # fmt: skip
    places += [lanes.first_error + (i + 0.5) * lanes.error_height for i in range(3)]
    labels += list(ERROR_COLORS)
    axes.set_yticks(places, labels, fontsize=8, parse_math=False)
    axes.tick_params(axis="y", length=0)


def _timeline_title(figure: Figure, score: RecordingScore, options: str, height: float) -> None:
    amounts = score.amounts
    name = short(score.recording, 100)
    figure.text(0.012, 1 - 0.3 / height, name, fontsize=14, weight="bold", va="center", parse_math=False)
    speakers = f"speakers {amounts.hypothesis_speakers} found, {amounts.reference_speakers} there"
    figure.text(0.012, 1 - 0.56 / height, f"{summary(amounts)} · {speakers}", fontsize=10, va="center")
    at, grey = (0.985, 1 - 0.3 / height), "#444444"
    figure.text(*at, options, fontsize=9, va="center", ha="right", color=grey, parse_math=False)


def _by_first_turn(turns: Sequence[Turn]) -> list[str]:
    return list(dict.fromkeys(turn.speaker for turn in sorted(turns, key=lambda turn: turn.start)))


def _bars(intervals: Sequence[tuple[float, float]], length: float) -> list[tuple[float, float]]:
    """Return (start, width) of intervals, none too narrow to be seen."""
    return [(start, max(end - start, length * _DRAWN_SECONDS)) for start, end in intervals]
