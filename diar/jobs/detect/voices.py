"""`task=files`: a warning where recordings seem to hold several voices."""

from __future__ import annotations

import numpy as np

from diar.detect.diarize import DiarizeSettings
from diar.detect.several_voices import LEAST_SPEECH, MOST_HEARD, second_voice
from diar.detect.sides import Sides
from diar.errors import DiarError
from diar.records import OK
from diar.store.reader import RecordingIndex, TracksReader

_MOST_RECORDINGS = 100
_MOST_SECONDS = 7_200.0  # of audio, in all recordings that are looked at
# Seconds that a second voice speaks alone, and the share of recordings that must have one. Of 238 LibriSpeech
# utterances, each of one voice, four seem to have a second one for 2 s and none for 4 s; of eight meetings'
# excerpts of 30 s five have one for 2 s
_CERTAIN = ((2.0, 0.25), (4.0, 0.05))
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
    seconds = np.array([_second_voice(reader, index, row) for row in chosen])
    for least, share in _CERTAIN:
        several = [row for row, alone in zip(chosen, seconds, strict=True) if alone >= least]
        if len(several) > share * len(chosen):
            return [_warning([index.recording_id[row] for row in several], len(chosen), len(enough))]
    return []


def _warning(several: list[str], looked_at: int, candidates: int) -> str:
    seen = "" if looked_at == candidates else f" of {looked_at} that were looked at"
    names = ", ".join([*several[:_NAMED], *(["…"] if len(several) > _NAMED else [])])
    count = "1 recording" if len(several) == 1 and not seen else f"{len(several)} recordings{seen}"
    verb = "seems" if count == "1 recording" else "seem"
    return (
        f"{count} {verb} to hold several voices ({names}), and --task files takes each file for one "
        "speaker's; --task turns tells who speaks when"
    )


def _spread(rows: np.ndarray, seconds: np.ndarray) -> list[int]:
    """Choose rows from everywhere, as many as may be looked at; `seconds` (n,) of each are read."""
    if not len(rows):
        return []
    most = max(1, min(_MOST_RECORDINGS, int(_MOST_SECONDS / seconds.mean())))
    chosen: list[int] = rows[:: -(-len(rows) // most)].tolist()
    return chosen


def _second_voice(reader: TracksReader, index: RecordingIndex, row: int) -> float:
    try:
        sides = Sides.of(reader.read(index.recording_id[row], int(index.shard[row])))
    except DiarError:  # missing or damaged: boundaries need the index alone, `--task turns` tells of it
        return 0.0
    return second_voice(sides, DiarizeSettings())
