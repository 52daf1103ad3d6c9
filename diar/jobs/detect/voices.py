"""`task=files`: a warning where recordings seem to hold several voices."""

from __future__ import annotations

import numpy as np

from diar.detect.diarize import DiarizeSettings
from diar.detect.several_voices import LEAST_SPEECH, MOST_HEARD, count_voices
from diar.detect.sides import Sides
from diar.errors import DiarError
from diar.records import OK
from diar.store.reader import RecordingIndex, TracksReader

_MOST_RECORDINGS = 100
_MOST_SECONDS = 7_200.0  # of audio, in all recordings that are looked at
_CHANCE = 0.05  # share of recordings of one voice that may look like several
_NAMED = 3


def warn_of_several_voices(embeddings_dir: str, index: RecordingIndex) -> list[str]:
    """Return a warning if recordings seem to hold several voices; no more than two hours are looked at.

    Recordings with little speech are left out. Without a segmentation model in stage 1, nothing is known.
    """
    if "activity_step" not in index.metadata:
        return []
    ok = np.array([status == OK for status in index.status])
    enough = np.flatnonzero(ok & (index.speech_seconds >= LEAST_SPEECH))
    chosen = _spread(enough, np.minimum(index.duration[enough], MOST_HEARD))
    reader = TracksReader(embeddings_dir)
    several = [row for row in chosen if _holds_several(reader, index, row)]
    if len(several) <= _CHANCE * len(chosen):
        return []
    seen = "" if len(chosen) == len(enough) else f" of {len(chosen)} that were looked at"
    names = ", ".join(index.recording_id[row] for row in several[:_NAMED])
    count = "1 recording seems" if len(several) == 1 and not seen else f"{len(several)} recordings{seen} seem"
    return [
        f"{count} to hold several voices ({names}{', …' if len(several) > _NAMED else ''}), and --task files "
        "takes each file for one speaker's; --task turns tells who speaks when"
    ]


def _spread(rows: np.ndarray, seconds: np.ndarray) -> list[int]:
    """Choose rows from everywhere, as many as may be looked at; `seconds` (n,) of each are read."""
    if not len(rows):
        return []
    most = max(1, min(_MOST_RECORDINGS, int(_MOST_SECONDS / seconds.mean())))
    chosen: list[int] = rows[:: -(-len(rows) // most)].tolist()
    return chosen


def _holds_several(reader: TracksReader, index: RecordingIndex, row: int) -> bool:
    try:
        sides = Sides.of(reader.read(index.recording_id[row], int(index.shard[row])))
    except DiarError:  # missing or damaged: boundaries need the index alone, `--task turns` tells of it
        return False
    return count_voices(sides, DiarizeSettings()) > 1
