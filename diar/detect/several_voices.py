"""Whether a recording holds several voices, cheaply: its beginning, diarized."""

from __future__ import annotations

from diar.detect.diarize import DiarizeSettings
from diar.detect.sides import Sides, diarize_sides

LEAST_SPEECH = 8.0  # seconds in a recording, of which two voices can have enough
MOST_HEARD = 600.0  # seconds from the start that are looked at
_ENOUGH = 4.0  # seconds alone that make a voice certain: a chance cluster of odd windows has less


def count_voices(sides: Sides, settings: DiarizeSettings) -> int:
    """Count the voices of a recording that speak alone for four seconds or more in its first ten minutes.

    Raises:
        DiarError: as `diarize`.
    """
    beginning = {number: seen.between(0.0, MOST_HEARD) for number, seen in sides.observed.items()}
    found = diarize_sides(Sides(beginning, sides.channels), settings)
    return int((found.clean_seconds >= _ENOUGH).sum())
