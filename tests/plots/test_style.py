"""Colours of people: the same in every picture of a result, and far apart."""

from itertools import combinations

import numpy as np
from matplotlib.colors import to_rgb

from diar.plots.lanes import GREY, OVERLAP
from diar.plots.style import ink_on, number_names, person_color


def lab(rgb: tuple[float, float, float]) -> np.ndarray:
    """CIELAB of an sRGB colour, D65."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb]
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    xyz = np.array(to_xyz) @ linear / [0.95047, 1.0, 1.08883]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def test_twenty_four_people_are_told_apart_by_colour() -> None:
    colors = [person_color(number) for number in range(24)]
    others = [to_rgb(GREY), to_rgb(OVERLAP), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)]
    assert min(np.linalg.norm(lab(a) - lab(b)) for a, b in combinations([*colors, *others], 2)) > 20
    assert len({person_color(number) for number in range(72)}) == 72


def test_generated_names_say_their_colour_and_other_names_get_what_is_left() -> None:
    names = ["Zoë", "person_0003", "Ann", "person_0001", "Zoë"]
    numbers = number_names(names)
    assert numbers == {"person_0001": 0, "person_0003": 2, "Ann": 1, "Zoë": 3}
    assert number_names(reversed(names)) == numbers
    assert number_names(["speaker_012", "speaker_0012"]) == {"speaker_012": 11, "speaker_0012": 11}
    assert number_names([]) == {}


def test_ink_is_read_on_every_colour() -> None:
    assert (ink_on((1.0, 1.0, 0.5)), ink_on((0.1, 0.1, 0.4))) == ("black", "white")
