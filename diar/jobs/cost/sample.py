"""A sample of an archive's audio that is as mixed as the archive itself."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from diar.archive.listing import Recording

_LONGEST_PIECE = 242.0  # seconds: eight chunks of the default length, so that cutting costs little
_MOST_PIECES = 2048
_MOST_RECORDINGS = 100_000
_SHORTEST_PART = 1.0  # seconds of a long recording that are worth taking
_SEED = 0


def sample_archive(recordings: Sequence[Recording], seconds: np.ndarray, wanted: float) -> list[Recording]:
    """About `wanted` seconds of the archive, or all of it, in mixed order.

    The archive, all recordings one after the other, is a tape; pieces of equal length, evenly spread over it,
    are taken. So short and long recordings have the shares in the sample that they have in the archive. A
    recording no longer than a piece is taken whole, if it starts in one. Of a longer one, as many seconds are
    taken as pieces lie in it, from its start: compressed audio can only be decoded from there.

    Args:
        recordings: of the archive.
        seconds: (n,) their estimated durations, not all 0.
        wanted: seconds.
    """
    ends = np.cumsum(seconds)
    starts, total = ends - seconds, float(ends[-1])
    taken = min(wanted, total)
    count = math.ceil(taken / max(_LONGEST_PIECE, taken / _MOST_PIECES))
    piece, spacing = taken / count, total / count
    first = (spacing - piece) / 2

    def before(position: np.ndarray) -> np.ndarray:
        """Seconds of pieces that lie before a position on the tape."""
        whole, rest = np.divmod(position - first, spacing)
        before: np.ndarray = whole * piece + np.minimum(rest, piece)
        return before

    inside = before(ends) - before(starts)
    begins_in_piece = np.mod(starts - first, spacing) < piece
    chosen = np.where(seconds <= piece, begins_in_piece, inside >= _SHORTEST_PART)
    sample = [
        recordings[index]
        if inside[index] >= 0.999 * seconds[index] or seconds[index] <= piece
        else replace(recordings[index], duration=float(inside[index]))
        for index in np.random.default_rng(_SEED).permutation(np.flatnonzero(chosen))[:_MOST_RECORDINGS]
    ]
    distinct = {(recording.url, recording.offset, recording.duration): recording for recording in sample}
    return list(distinct.values())


def write_manifest(file: Path, recordings: Sequence[Recording]) -> None:
    """Write recordings as a NeMo manifest."""
    with file.open("w", encoding="utf-8") as lines:
        for recording in recordings:
            entry = {"audio_filepath": recording.url, "offset": recording.offset}
            if recording.duration is not None:
                entry["duration"] = recording.duration
            lines.write(json.dumps(entry) + "\n")
