"""How far one recording is: by what is read of it, once that is recognised."""

import numpy as np
import pytest

from diar.asr.recogniser import RATE
from diar.jobs.progress.counters import Counters
from diar.jobs.words.worker import _Progress
from diar.records import RecordingRow


def test_a_recording_counts_batch_by_batch_and_in_the_end_whole() -> None:
    counters = Counters()
    progress = _Progress(counters, RecordingRow("a.wav", "a.wav", duration=100.0), 1000)
    progress.signals = 2  # a call: its sides are read one after the other
    blocks = progress.reading(np.zeros((2, RATE * 20), np.float32) for _ in range(10))
    next(blocks), next(blocks), next(blocks)
    assert counters.audio_seconds == 0  # read, not recognised
    progress.recognised()
    assert (counters.audio_seconds, counters.bytes, counters.files) == (pytest.approx(20), 200, 0)
    assert len(list(blocks)) == 7
    progress.finish()
    assert (counters.audio_seconds, counters.bytes, counters.files) == (pytest.approx(100), 1000, 1)
    empty = _Progress(counters, RecordingRow("b.wav", "b.wav"), 7)
    empty.finish()
    assert (counters.audio_seconds, counters.bytes, counters.files) == (pytest.approx(100), 1007, 2)
