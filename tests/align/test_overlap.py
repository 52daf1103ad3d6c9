from dataclasses import replace

import numpy as np

from diar.align.overlap import overlapped_speech
from tests.align.test_assignment import tracks_of


def test_people_speak_at_once_where_one_window_hears_two() -> None:
    frames = np.zeros(100, np.uint8)
    active = [[(0.0, 6.0)], [(4.0, 5.0), (9.0, 10.0)], [(0.5, 1.0), (5.5, 7.0)]]
    tracks = tracks_of([frames] * 3, active).tracks
    assert overlapped_speech(tracks).tolist() == [[0.5, 1.0], [4.0, 5.0], [5.5, 6.0]]
    apart = replace(tracks, channel=np.array([0, 0, 1], np.int16))
    assert overlapped_speech(apart).tolist() == [[4.0, 5.0]]
    assert overlapped_speech(apart, 1).tolist() == []
    later = replace(tracks, start=np.array([0.0, 0.0, 5.0]))  # another window's speaker may be the same
    assert overlapped_speech(later).tolist() == [[4.0, 5.0]]
    sliding = replace(tracks, local_speaker=np.array([0, -1, -1], np.int16))
    assert overlapped_speech(sliding).tolist() == []
