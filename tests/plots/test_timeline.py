"""The timeline of a recording: its pixels say who spoke when, at any length."""

import io
import time
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.image import imread

from diar.formats.speech_time import measure
from diar.formats.turns_json import RecordingTurns, describe_speakers
from diar.plots.lanes import GREY
from diar.plots.style import person_color
from diar.plots.time_axis import divide, tick
from diar.plots.timeline import draw_timeline
from diar.records import Turn
from tests.outputs.sample import make_turns

OVERLAP = (0xB3, 0x00, 0x1B)


def made_of(turns: list[Turn], duration: float) -> RecordingTurns:
    amounts = measure(turns)
    speakers = describe_speakers(turns, amounts, local={}, similarity={}, confidence={})
    return replace(
        make_turns(),
        duration=duration,
        turns=turns,
        speakers=speakers,
        speech_seconds=amounts.speech,
        overlap_seconds=amounts.overlap,
    )


def conversation(seconds: float, speakers: int, mean: float) -> list[Turn]:
    draw, turns, now = np.random.default_rng(1), [], 0.0
    while now < seconds:
        end = min(seconds, now + 0.2 + draw.exponential(mean))
        turns.append(Turn("r", now, end, f"speaker_{draw.integers(speakers):03d}"))
        now = max(0.0, end + draw.normal(0.1, 0.4))
    return turns


def pixels(png: bytes) -> np.ndarray:
    """(height, width, 3) uint8."""
    return (imread(io.BytesIO(png))[:, :, :3] * 255).round().astype(np.uint8)


def count(image: np.ndarray, color: tuple[float, ...]) -> int:
    """Pixels of a colour, give or take 1."""
    near = np.abs(image.astype(int) - np.array(color)) <= 1
    return int(near.all(axis=2).sum())


def full(number: int) -> tuple[float, ...]:
    return tuple(255 * c for c in person_color(number))


@pytest.mark.parametrize(("seconds", "speakers"), [(0.3, 1), (20, 1), (60, 3), (1_000, 6)])
def test_area_is_speech(seconds: float, speakers: int) -> None:
    """Bars without overlap: what a speaker's colour covers is what he speaks."""
    turns, share = [], 0.8 / speakers
    for i in range(speakers):
        start = seconds * (i / speakers)
        turns.append(Turn("r", start, start + seconds * share, f"s{i}"))
    image = pixels(draw_timeline(made_of(turns, seconds)))
    areas = np.array([count(image, full(i)) for i in range(speakers)])
    assert areas.min() > 0.9 * areas.max() > 500


def test_overlap_is_marked_and_partners_share_a_color() -> None:
    reference = [Turn("r", 0, 20, "ann"), Turn("r", 15, 40, "bob")]
    found = [Turn("r", 0, 20, "2"), Turn("r", 15, 40, "1"), Turn("r", 45, 50, "3")]
    alone = pixels(draw_timeline(made_of(found, 60)))
    assert count(alone, OVERLAP) > 300
    both = pixels(draw_timeline(made_of(found, 60), reference))
    assert both.shape[0] > alone.shape[0]
    twice = pixels(draw_timeline(made_of(reference, 60), reference))
    for number, partner in ((1, 0), (0, 1)):  # the same bars above and below, whatever the partners' names
        assert count(both, full(number)) == pytest.approx(count(twice, full(partner)), rel=0.1)
    assert count(both, full(2)) > 500, "who is not in the reference keeps the colour"
    missed = pixels(draw_timeline(made_of(found, 60), [*reference, Turn("r", 52, 58, "cid")]))
    assert count(missed, tuple(255 * c for c in to_rgb(GREY))) > 500
    without = pixels(draw_timeline(made_of([found[0], found[2]], 60)))
    assert count(without, OVERLAP) == 0


def test_what_is_brief_is_seen_but_pale() -> None:
    """Half a second in three hours leaves a mark, weaker than a minute's."""
    brief = pixels(draw_timeline(made_of([Turn("r", 5_000, 5_000.3, "s")], 10_800)))
    minute = pixels(draw_timeline(made_of([Turn("r", 5_000, 5_060, "s")], 10_800)))
    none = pixels(draw_timeline(made_of([], 10_800)))
    color = np.array(full(0))

    def strength(image: np.ndarray) -> np.ndarray:
        """Of the pixels on the way from white to the colour."""
        mixed = (255 - image.astype(float)) @ (255 - color) / ((255 - color) @ (255 - color))
        on_the_way = np.abs(255 - mixed[..., None] * (255 - color) - image).max(axis=2) < 4
        saturated = image.max(axis=2).astype(int) - image.min(axis=2) > 20
        return np.sort(mixed[on_the_way & saturated])

    assert len(strength(none)) == 0
    assert 0.3 <= strength(brief).max() < 0.7
    assert 5 <= len(strength(brief)) < len(strength(minute))
    assert strength(minute).max() == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("reference", [None, [], [Turn("r", 1, 2, "ann")]])
def test_no_speech(reference: list[Turn] | None) -> None:
    assert pixels(draw_timeline(made_of([], 30.0), reference)).shape[1] == 1700


@pytest.mark.parametrize(("seconds", "speakers"), [(10_800, 8), (86_400, 20), (3_600, 60)])
def test_hours_take_little_time_and_room(seconds: int, speakers: int) -> None:
    turns = conversation(seconds, speakers, 2.0)
    started = time.process_time()
    image = pixels(draw_timeline(made_of(turns, seconds), turns))
    assert time.process_time() - started < 10  # about 1.5, a slow machine allowed for
    assert image.shape[0] < 3_000


def test_names_are_not_read_as_formulas() -> None:
    turns = [Turn("r", 1, 2, "a$b_{$"), Turn("r", 2, 3, "line\nend\t$x^2$")]
    result = replace(made_of(turns, 10), recording_id="x$y_$.wav")
    assert pixels(draw_timeline(result)).shape[1] == 1700


@pytest.mark.parametrize("seconds", [0.1, 5, 89, 91, 600, 601, 7_300, 86_400, 1e6])
@pytest.mark.parametrize("most", [1, 3, 8])
def test_strips_show_everything(seconds: float, most: int) -> None:
    length, strips = divide(seconds, most)
    assert length * strips >= seconds > length * (strips - 1)
    assert 1 <= strips <= most
    assert length / tick(length) <= 16
    assert strips == 1 or length % tick(length) == 0, "labels of all strips stand below each other"
