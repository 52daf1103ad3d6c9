import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diar.asr.pieces import LONGEST, Piece, Samples, cut, with_margins
from diar.intervals import at_least, common_seconds, seconds

RATE = 100  # Hz, enough to see where samples come from


def numbered(duration: float) -> np.ndarray:
    return np.arange(round(duration * RATE), dtype=np.float32)


def blocks(samples: np.ndarray, size: int = 37) -> list[np.ndarray]:
    return [samples[at : at + size] for at in range(0, len(samples), size)]


def cut_all(samples: np.ndarray, speech: list[tuple[float, float]]) -> list[Piece]:
    return list(cut(Samples(blocks(samples), RATE), np.array(speech).reshape(-1, 2)))


def test_speech_with_pauses_is_one_piece_and_long_pauses_are_shortened() -> None:
    (piece,) = cut_all(numbered(60), [(1.0, 2.0), (2.8, 4.0), (40.0, 41.0)])
    assert piece.intervals.tolist() == [[0.75, 4.25], [39.75, 41.25]]
    assert len(piece.samples) == round(5.0 * RATE)
    assert piece.samples[0] == 75
    assert piece.samples[350] == 3975
    times = piece.in_recording(np.array([0.0, 3.4, 3.6, 5.0, 99.0]))
    assert times.tolist() == pytest.approx([0.75, 4.15, 39.85, 41.25, 41.25])


def test_a_piece_ends_in_a_pause_where_there_is_one() -> None:
    pieces = cut_all(numbered(100), [(0, 18), (20, 38), (40, 45)])
    assert [piece.intervals.round(2).tolist() for piece in pieces] == [
        [[0.0, 18.25]],
        [[19.75, 38.25], [39.75, 45.25]],
    ]


def test_speech_without_a_pause_is_cut_at_its_quietest_moment() -> None:
    samples = np.ones(round(70 * RATE), np.float32)
    samples[2600:2620] = 0.01  # at 26 s
    first, second, third = cut_all(samples, [(0, 70)])
    assert first.intervals[0].tolist() == pytest.approx([0, 26.1], abs=0.11)
    assert second.intervals[0, 0] == first.intervals[0, 1]
    assert third.intervals[0, 1] == pytest.approx(70.25)
    assert sum(len(piece.samples) for piece in (first, second, third)) == len(samples)


def test_nothing_is_nothing() -> None:
    assert cut_all(numbered(5), []) == []
    assert with_margins(np.empty((0, 2))).shape == (0, 2)


speech_anywhere = st.lists(st.tuples(st.floats(0, 300), st.floats(0.05, 70)), max_size=12)


@given(speech_anywhere)
def test_pieces_hold_all_speech_once_and_are_never_too_long(pairs: list[tuple[float, float]]) -> None:
    speech = at_least(1, [np.array([(s, s + d) for s, d in pairs])] if pairs else [])
    pieces = list(cut(Samples(blocks(numbered(400), 1000), RATE), speech))
    held = [piece.intervals for piece in pieces]
    assert all(seconds(intervals) <= LONGEST + 1e-6 for intervals in held)
    together = at_least(1, held)
    assert common_seconds(together, speech) == pytest.approx(seconds(speech), abs=1e-6)
    assert sum(map(seconds, held)) == pytest.approx(seconds(together), abs=1e-6)
    for piece in pieces:
        expected = np.round(piece.in_recording(np.arange(len(piece.samples)) / RATE) * RATE)
        elsewhere = np.abs(piece.samples - expected) > 2  # a sample at a seam may be of the other side
        assert elsewhere.sum() <= len(piece.intervals)
