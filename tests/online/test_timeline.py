"""Who speaks in the frames that may still change, where many people speak one after the other."""

import numpy as np

from diar.detect.presets import TurnSettings
from diar.models.segmentation.base import FrameGeometry
from diar.online.timeline import Timeline

SECOND = 59  # frames


def levels(*columns: tuple[int, int, int]) -> np.ndarray:
    """(2 s, columns): each speaks at a level from one frame to another."""
    found = np.zeros((2 * SECOND, len(columns)), np.uint8)
    for place, (begin, end, level) in enumerate(columns):
        found[begin:end, place] = level
    return found


def test_speakers_who_are_silent_have_no_column_however_many_there_were() -> None:
    timeline = Timeline(FrameGeometry(991, 270), TurnSettings())
    widths, speakers = [], []
    for number in range(1, 500):
        first = (number - 1) * SECOND
        timeline.write(first, levels((0, SECOND, 200), (SECOND, 2 * SECOND, 100)), [number, number + 1])
        runs = timeline.runs(0)
        assert [run.speaker for run in runs] == sorted({run.speaker for run in runs})
        speakers.append(runs[-1].speaker)
        timeline.settle(first + SECOND // 2)
        widths.append(timeline.level.shape[1])
    assert speakers == [number + 1 for number in range(1, 500)]
    assert max(widths) <= 2 and timeline.level.nbytes < 1_000
    assert timeline.level.base is None  # frames that are settled are not kept behind a view


def test_writing_replaces_and_completing_fills_what_is_silent() -> None:
    timeline = Timeline(FrameGeometry(991, 270), TurnSettings())
    timeline.write(0, levels((0, 30, 200), (50, 80, 150)), [7, 3])
    timeline.complete(0, levels((20, 60, 90)), [9])
    assert [(run.speaker, round(run.confidence * 255)) for run in timeline.runs(0)] == [
        (7, 200),
        (9, 90),
        (3, 150),
    ]
    level = dict(zip(timeline.numbers, timeline.level.T, strict=True))
    assert np.flatnonzero(level[9]).tolist() == list(range(30, 50))
    timeline.settle(10)
    timeline.write(0, levels((0, 40, 60)), [9])  # the first ten frames are settled
    assert [(run.speaker, run.start) for run in timeline.runs(0)] == [(7, 0.0), (9, timeline.edge(10))]
    timeline.merge(9, 7)
    (run,) = timeline.runs(0)
    assert run.speaker == 7 and run.start == 0.0 and run.end == timeline.edge(40)
