"""Whether a recording holds several voices, cheaply: its beginning, diarized."""

from __future__ import annotations

import numpy as np

from diar.detect.diarize import DiarizeSettings
from diar.detect.sides import Sides, diarize_sides

LEAST_SPEECH = 6.0  # seconds in a recording, of which two voices can have enough
MOST_HEARD = 600.0  # seconds from the start that are looked at


def second_voice(sides: Sides, settings: DiarizeSettings) -> float:
    """Return the seconds that the second voice speaks alone in the first ten minutes; 0 where there is none.

    Raises:
        DiarError: as `diarize`.
    """
    beginning = {number: seen.between(0.0, MOST_HEARD) for number, seen in sides.observed.items()}
    found = diarize_sides(Sides(beginning, sides.channels), settings)
    seconds = np.sort(found.clean_seconds)
    return float(seconds[-2]) if len(seconds) > 1 else 0.0
