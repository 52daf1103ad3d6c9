"""The picture of one recording: who speaks when, a lane a speaker, overlap marked.

Bars and lines are painted as pixels, and Pillow writes the text. Matplotlib takes five times as long, which
was most of stage 2 in an archive of short recordings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo

from diar.formats.turns_json import RecordingTurns
from diar.intervals import running_seconds
from diar.plots.lanes import GAP, GREY, OVERLAP, Group, Lane, arrange
from diar.plots.style import Color, font, rgb, short
from diar.plots.time_axis import MOST_STRIPS, amount, clock, divide, tick
from diar.records import Turn

TIMELINE_NAME = "timeline.png"
_WIDTH, _MARGIN, _RIGHT = 1700, 20, 1656  # pixels: of the sheet, from its left to text, to the strips' end
_HEAD, _KEY, _FOOT, _BETWEEN = 84, 22, 40, 33  # pixels above, of the key, below and between the strips
_LANE_PIXELS, _LOWEST_STRIP = 17, 80
_TALLEST = 2400  # pixels of all strips together, beyond which strips become fewer and longer
_OUTSIDE, _FRAME, _BORDER, _CLOCK, _FAINT = map(rgb, ("#e9e9ec", "#000000", "#444444", "#d5d5d9", "#ececef"))
_FAINTEST = 0.3  # opacity, so that a moment of speech can be seen
_BRIEF = 0.25  # seconds of a pixel up to which no key explains that pixels are mixed


@dataclass(frozen=True)
class _Strip:
    """A part of the recording in its place on the sheet."""

    groups: list[Group]
    edges: np.ndarray  # (columns + 1,) seconds: borders of the pixels
    end: float  # of the recording, seconds
    left: int  # pixels from the sheet's left
    top: int  # pixels from the sheet's top
    height: int  # pixels
    origin: float  # seconds on the clock at the recording's start

    @property
    def lanes(self) -> list[Lane]:
        """Lanes of all groups."""
        return [lane for group in self.groups for lane in group.lanes]

    @property
    def clock_times(self) -> np.ndarray:
        """Seconds of the recording that are labelled."""
        start, end = self.edges[[0, -1]] + self.origin
        step = tick(end - start)
        return np.arange(np.ceil(start / step), np.floor(end / step) + 1) * step - self.origin

    def row(self, lane: float) -> int:
        """Return the pixels from the strip's top to a height given in lanes."""
        return round((lane + 0.1) / (self.groups[-1].bottom + 0.2) * self.height)

    def column(self, seconds: float) -> int:
        """Return the pixels from the strip's left to a time."""
        start, end = self.edges[[0, -1]]
        return round((seconds - start) / (end - start) * (len(self.edges) - 1))


def draw_timeline(
    result: RecordingTurns,
    reference: Sequence[Turn] | None = None,
    origin: float = 0.0,
    numbers: Mapping[str, int] | None = None,
) -> bytes:
    """Draw a recording's turns as PNG, the reference above them, partners in one colour.

    A pixel is as opaque as the share of its time with speech, so that hours of short turns look as dense as
    they are. Long recordings are cut into strips, one below the other. The clock shows `origin` seconds at
    the recording's start. `numbers` are those of the people's colours (`style.number_names`).
    """
    groups = arrange(result.turns, reference, numbers)
    height = max(_LOWEST_STRIP, round(_LANE_PIXELS * groups[-1].bottom))
    length, count = divide(result.duration, max(1, min(MOST_STRIPS, _TALLEST // height)))
    left = _left_margin(groups)
    key = _key(groups, result.duration < length * count, length / (_RIGHT - left))
    head = _HEAD + (_KEY if key else 0)
    strips = [
        _Strip(
            groups,
            np.linspace(number * length, (number + 1) * length, _RIGHT - left + 1),
            result.duration,
            left,
            head + number * (height + _BETWEEN),
            height,
            origin,
        )
        for number in range(count)
    ]
    sheet = np.ones((strips[-1].top + height + _FOOT, _WIDTH, 3), np.float32)
    for strip in strips:
        _paint(sheet, strip)
    picture = Image.fromarray((255 * sheet).round().astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    for strip in strips:
        _label(draw, strip)
    _draw_title(draw, result)
    _draw_key(draw, key)
    information, data = PngInfo(), BytesIO()
    information.add_text("Software", result.program)
    picture.save(data, "PNG", pnginfo=information)
    return data.getvalue()


def _left_margin(groups: list[Group]) -> int:
    """Return the pixels for labels and titles."""
    label = max(font(8).getlength(lane.label) for group in groups for lane in group.lanes)
    title = max(font(9, bold=True).getlength(group.title) for group in groups)
    return round(_MARGIN + title + (16 if title else 0) + label + 5)


def _paint(sheet: np.ndarray, strip: _Strip) -> None:
    """Paint a strip without its text onto `sheet` (height, width, 3)."""
    columns = len(strip.edges) - 1
    panel = sheet[strip.top : strip.top + strip.height, strip.left : strip.left + columns]
    panel[:, min(columns, strip.column(strip.end)) :] = _OUTSIDE
    ticks = [strip.column(seconds) for seconds in strip.clock_times]
    panel[:, np.minimum(ticks, columns - 1)] = _CLOCK
    for lane in strip.lanes:
        panel[min(strip.height - 1, strip.row(lane.top + lane.height))] = _FAINT
    for lane in strip.lanes:
        first, last = strip.row(lane.top + 0.1), strip.row(lane.top + lane.height - 0.1)
        shaded = _shaded(lane, strip.edges)
        color, opaque = shaded[:, :3], shaded[:, 3:]
        panel[first:last] = panel[first:last] * (1 - opaque) + color * opaque
    for group in strip.groups[1:]:
        panel[strip.row(group.top - GAP / 2)] = _BORDER
    around = sheet[strip.top - 1 : strip.top + strip.height + 1, strip.left - 1 : strip.left + columns + 1]
    around[[0, -1]] = around[:, [0, -1]] = _FRAME
    below = sheet[strip.top + strip.height : strip.top + strip.height + 4, strip.left : strip.left + columns]
    below[:, np.minimum(ticks, columns - 1)] = _FRAME


def _label(draw: ImageDraw.ImageDraw, strip: _Strip) -> None:
    """Write the clock and the names of lanes and groups; an empty lane also has its name in its middle."""
    for group in strip.groups:
        place = _MARGIN, strip.top + strip.row((group.top + group.bottom) / 2)
        draw.text(place, group.title, "black", font(9, bold=True), anchor="lm")
    for lane in strip.lanes:
        y = strip.top + strip.row(lane.top + lane.height / 2)
        draw.text((strip.left - 5, y), lane.label, "black", font(8), anchor="rm")
        if not len(lane.own):
            middle = strip.column((strip.edges[0] + min(strip.edges[-1], strip.end)) / 2)
            place = strip.left + middle, y
            draw.rectangle(draw.textbbox(place, lane.label, font(11), anchor="mm"), "white")  # over the lines
            draw.text(place, lane.label, GREY, font(11), anchor="mm")
    for seconds in strip.clock_times:
        place = strip.left + strip.column(seconds), strip.top + strip.height + 6
        draw.text(place, clock(seconds + strip.origin), "black", font(9), anchor="mt")


def _shaded(lane: Lane, edges: np.ndarray) -> np.ndarray:
    """Return (columns, 4) colours: opaque by the share of speech in a column, darker in overlap."""
    width = np.diff(edges)
    spoken = np.diff(running_seconds(lane.own, edges)) / width
    mixed = np.minimum(np.diff(running_seconds(lane.shared, edges)) / width, spoken)
    dark = np.where(spoken > 0, mixed / np.maximum(spoken, 1e-12), 0.0)
    colors = np.empty((len(width), 4))
    colors[:, :3] = np.array(lane.color) * (1 - 0.55 * dark[:, None])
    colors[:, 3] = np.where(spoken > 1e-9, _FAINTEST + (1 - _FAINTEST) * spoken, 0.0)
    return np.clip(colors, 0.0, 1.0)


def _draw_title(draw: ImageDraw.ImageDraw, result: RecordingTurns) -> None:
    """Write name and amounts."""
    name = short(result.recording_id, 110)
    draw.text((_MARGIN, 27), name, "black", font(14, bold=True), anchor="lm")
    speech, overlap, duration = result.speech_seconds, result.overlap_seconds, result.duration
    parts = [
        _count(len(result.speakers), "speaker"),
        _count(len(result.turns), "turn"),
        f"speech {amount(speech)} of {amount(duration)} ({speech / max(duration, 1e-9):.0%})",
        f"overlap {amount(overlap)} ({overlap / max(speech, 1e-9):.0%} of speech)",
        f"clustering: {result.clustering.method}",
    ]
    if result.quality is not None:
        parts.append(f"estimated DER {result.quality.estimated_der:.0%}")
    draw.text((_MARGIN, 56), " · ".join(parts), "black", font(10), anchor="lm")


def _key(groups: list[Group], ends_early: bool, pixel: float) -> list[tuple[Color, str]]:
    """Return what needs to be explained: colour and text; `pixel` is the seconds of one pixel."""
    lanes = [lane for group in groups for lane in group.lanes]
    entries = []
    if any(len(lane.shared) for lane in lanes):
        entries.append((OVERLAP, "overlap (dark in the speakers' lanes)"))
    if any(lane.color == rgb(GREY) and len(lane.own) and not lane.several for lane in lanes):
        entries.append((GREY, "in the reference, but nobody found is this speaker"))
    if any(lane.several for lane in lanes):
        entries.append((GREY, "several speakers in one lane"))
    if pixel > _BRIEF:
        entries.append(("#c3c6cb", f"pale: speaks in a part of each {pixel:.1f} s only"))
    if ends_early:
        entries.append(("#e9e9ec", "after the end of the recording"))
    return [(rgb(color), text) for color, text in entries]


def _draw_key(draw: ImageDraw.ImageDraw, entries: list[tuple[Color, str]]) -> None:
    """Draw the entries of the key beside each other."""
    left = float(_MARGIN)
    for color, text in entries:
        red, green, blue = (round(255 * c) for c in color)
        draw.rectangle((left, 77, left + 25, 85), (red, green, blue))
        draw.text((left + 32, 81), text, "black", font(9), anchor="lm")
        left += 32 + font(9).getlength(text) + 28


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
