"""A sample of an archive's audio in which short and long recordings have the archive's shares."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from diar.archive.listing import Recording

_LONGEST_PIECE = 242.0  # seconds: eight chunks of the default length, so that little is lost at the cuts
_MOST_PIECES = 2048
_MOST_RECORDINGS = 100_000
_SHORTEST_PART = 1.0  # seconds; less of a long recording is not taken
_SEED = 0


def sample_archive(recordings: Sequence[Recording], seconds: np.ndarray, wanted: float) -> list[Recording]:
    """Return about `wanted` seconds of the archive, or all of it, in random order.

    Imagine all recordings one after the other on a tape. Pieces of equal length are taken, evenly spread over
    the tape, so that short and long recordings have the same shares in the sample as in the archive. A
    recording no longer than a piece is taken as a whole if it starts in a piece. Of a longer recording, the
    seconds that lie in pieces are counted, and as many are taken from its start, because compressed audio can
    only be decoded from there.

    Args:
        recordings: all of the archive, n.
        seconds: (n,) their estimated durations, not all 0.
        wanted: seconds of the sample.
    """
    ends = np.cumsum(seconds)
    starts, total = ends - seconds, float(ends[-1])
    taken = min(wanted, total)
    count = math.ceil(taken / max(_LONGEST_PIECE, taken / _MOST_PIECES))
    piece, spacing = taken / count, total / count
    first = (spacing - piece) / 2

    def before(position: np.ndarray) -> np.ndarray:
        """Return the seconds of pieces that lie before a position on the tape."""
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
