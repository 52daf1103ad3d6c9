"""Colours, names and the file format of all pictures."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import ImageFont

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Color = tuple[float, float, float]

# As far apart as possible in CIELAB, from each other and from the greys and the red of the pictures
_PALETTE = (
    "#4787d1", "#00a52d", "#ffc32d", "#b40f96", "#00e1c3", "#f087a5", "#5a5a00", "#9678ff",
    "#b4d22d", "#d2875a", "#2dc3e1", "#0f693c", "#f01e78", "#b4d287", "#784b87", "#e1690f",
    "#ffa5ff", "#d2c3ff", "#963c3c", "#d2b45a", "#1e87ff", "#2d6900", "#5ad287", "#4ba596",
)  # fmt: skip
_SHADES = ((0.0, 0.0), (0.0, 0.3), (1.0, 0.35))  # grey level and its share, a turn of the palette each
_POINT = 100 / 72  # pixels of a point
_GENERATED = re.compile(r"(?:person|speaker)_0*([1-9]\d*)")


def number_names(names: Iterable[str]) -> dict[str, int]:
    """Return the number of each person's colour, the same in all pictures of these people.

    `person_0007` has 6; people's own names get what is left, in the order of the alphabet.
    """
    own: dict[str, int] = {}
    others = []
    for name in dict.fromkeys(names):
        match = _GENERATED.fullmatch(name)
        if match is None:
            others.append(name)
        else:
            own[name] = int(match[1]) - 1
    taken = set(own.values())
    free = (number for number in count() if number not in taken)
    return own | dict(zip(sorted(others), free, strict=False))


def person_color(number: int) -> Color:
    """Return the colour of a number; 24 are far apart, later ones are their shades."""
    shade, share = _SHADES[number // len(_PALETTE) % len(_SHADES)]
    red, green, blue = (share * shade + (1 - share) * c for c in rgb(_PALETTE[number % len(_PALETTE)]))
    return red, green, blue


def rgb(code: str) -> Color:
    """Return a colour from `#rrggbb`."""
    red, green, blue = (int(code[start : start + 2], 16) / 255 for start in (1, 3, 5))
    return red, green, blue


def ink_on(color: Color) -> str:
    """Return black or white, whichever is read more easily on a colour."""
    red, green, blue = color
    return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "white"


@cache
def font(points: float, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Load the font that comes with Matplotlib."""
    return ImageFont.truetype(_fonts() / f"DejaVuSans{'-Bold' if bold else ''}.ttf", points * _POINT)


@cache
def _fonts() -> Path:
    """Return the folder of Matplotlib's fonts; importing it takes half a second, which no font needs."""
    found = find_spec("matplotlib")
    if found is not None and found.origin is not None:
        beside = Path(found.origin).with_name("mpl-data") / "fonts" / "ttf"
        if beside.is_dir():
            return beside
    import matplotlib  # a distribution keeps its data elsewhere

    return Path(matplotlib.get_data_path()) / "fonts" / "ttf"


def short(name: str, most: int = 40) -> str:
    """Shorten a name at its beginning, and replace what cannot be printed."""
    name = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)
    return name if len(name) <= most else "…" + name[1 - most :]


def png(figure: Figure, **metadata: str) -> bytes:
    """Return the figure as PNG."""
    data = io.BytesIO()
    figure.savefig(data, format="png", metadata=metadata)
    return data.getvalue()
