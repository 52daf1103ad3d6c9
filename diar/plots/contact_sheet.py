"""Recordings on one sheet, a line each: those that are too short or too plain for a picture of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO

import numpy as np
from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo

from diar.formats.speech_time import by_speaker
from diar.formats.turns_json import RecordingTurns
from diar.intervals import at_least, running_seconds, seconds
from diar.plots.lanes import OVERLAP
from diar.plots.style import Color, font, person_color, rgb, short
from diar.plots.time_axis import amount

SHEET_NAME = "timelines_{:03d}.png"  # counted from 1
MOST_ON_SHEET = 160
_ONE_COLUMN = 60  # recordings up to which lines are as long as the sheet
_WIDTH, _MARGIN, _HEAD, _LINE, _BAR = 1700, 20, 108, 20, 12  # pixels
_NAME = 330  # pixels of a recording's name
_SILENCE, _FAINTEST = 0.06, 0.3  # opacity: where nobody speaks, where somebody does for a moment


def draw_contact_sheet(
    results: Sequence[RecordingTurns], numbers: Mapping[str, int], first: int, total: int
) -> bytes:
    """Draw a line for each recording as PNG: name, who speaks when, duration, people.

    Args:
        results: at least one, at most `MOST_ON_SHEET`.
        numbers: of the colours of all people of the archive (`style.number_names`).
        first: how many recordings stand on the sheets before this one.
        total: recordings on all sheets.
    """
    columns = 1 if len(results) <= _ONE_COLUMN else 2
    lines = -(-len(results) // columns)
    width = (_WIDTH - 2 * _MARGIN) // columns
    sheet = np.ones((_HEAD + lines * _LINE + _MARGIN, _WIDTH, 3), np.float32)
    places = [
        (_MARGIN + (i // lines) * width, _HEAD + (i % lines) * _LINE, result)
        for i, result in enumerate(results)
    ]
    who = 440 if columns == 1 else 250
    bar = width - _NAME - who - 24
    for left, top, result in places:
        start = left + _NAME + 8
        sheet[top + 4 : top + 4 + _BAR, start : start + bar] = _bar(result, numbers, bar)
    picture = Image.fromarray((255 * sheet).round().astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    _write_head(draw, results, first, total)
    for left, top, result in places:
        draw.text((left + _NAME, top + 10), short(result.recording_id, 48), "black", font(8), anchor="rm")
        _write_people(draw, left + _NAME + bar + 16, top + 10, who, result, numbers)
    information, data = PngInfo(), BytesIO()
    information.add_text("Software", results[0].program)
    picture.save(data, "PNG", pnginfo=information)
    return data.getvalue()


def _bar(result: RecordingTurns, numbers: Mapping[str, int], columns: int) -> np.ndarray:
    """Return (columns, 3) colours of a recording, from its start to its end: who speaks, or several."""
    own = by_speaker(result.turns)
    if not own:
        return np.full((columns, 3), 1 - _SILENCE, np.float32)
    start = result.offset if result.times == "file" else 0.0
    edges = np.linspace(start, start + max(result.duration, 1e-9), columns + 1)
    colors = np.array([person_color(numbers[name]) for name in own])
    shares = np.stack([_shares(intervals, edges) for intervals in own.values()])
    together = shares.sum(axis=0)
    mixed = shares.T @ colors / np.maximum(together, 1e-12)[:, None]
    several = _shares(at_least(2, own.values()), edges) > 0.5
    mixed[several] = rgb(OVERLAP)
    spoken = np.minimum(together, 1.0)
    opaque = np.where(spoken > 1e-9, _FAINTEST + (1 - _FAINTEST) * spoken, _SILENCE)[:, None]
    shown = np.where(spoken[:, None] > 1e-9, mixed, 0.0)
    return np.asarray(1 - opaque + opaque * shown, np.float32)


def _shares(intervals: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return the share of each column's time that lies in `intervals`."""
    return np.diff(running_seconds(intervals, edges)) / np.diff(edges)


def _write_head(draw: ImageDraw.ImageDraw, results: Sequence[RecordingTurns], first: int, total: int) -> None:
    """Write which recordings these are, and the key."""
    last = f" to {first + len(results):,}" if len(results) > 1 else ""
    title = f"Recording{'s' if last else ''} {first + 1:,}{last} of {total:,}".replace(",", " ")
    draw.text((_MARGIN, 27), title, "black", font(14, bold=True), anchor="lm")
    text = (
        "Recordings that are short or have at most one voice, in the archive's order, each from its start "
        "to its end; the others have a timeline.png of their own."
    )
    draw.text((_MARGIN, 55), text, "black", font(10), anchor="lm")
    left = float(_MARGIN)
    for color, words in (
        (OVERLAP, "several at once"),
        ("#f0f0f0", "nobody speaks"),
    ):
        draw.rectangle((left, 77, left + 25, 85), color)
        draw.text((left + 32, 81), words, "black", font(9), anchor="lm")
        left += 32 + font(9).getlength(words) + 28
    draw.text((left, 81), "people's colours are those of all pictures", "black", font(9), anchor="lm")


def _write_people(
    draw: ImageDraw.ImageDraw,
    left: float,
    middle: int,
    width: int,
    result: RecordingTurns,
    numbers: Mapping[str, int],
) -> None:
    """Write the duration and those who speak, most first, as many as fit."""
    draw.text((left + 52, middle), amount(result.duration), "black", font(8), anchor="rm")
    end, left = left + width - 8, left + 62
    own = by_speaker(result.turns)
    names = sorted(own, key=lambda name: -seconds(own[name]))
    if not names:
        draw.text((left, middle), "no speech", "#6f737b", font(8), anchor="lm")
    for place, name in enumerate(names):
        text, more = short(name, 22), f"+{len(names) - place}"
        if left + 12 + font(8).getlength(text) > end - (24 if place < len(names) - 1 else 0):
            draw.text((left, middle), more, "black", font(8), anchor="lm")
            return
        draw.rectangle((left, middle - 5, left + 8, middle + 3), _bytes(person_color(numbers[name])))
        draw.text((left + 12, middle), text, "black", font(8), anchor="lm")
        left += 12 + font(8).getlength(text) + 10


def _bytes(color: Color) -> tuple[int, int, int]:
    red, green, blue = (round(255 * c) for c in color)
    return red, green, blue
