"""Somebody else who goes on without a pause: where the loudness dips, and how a voice is cut there."""

import numpy as np
import pytest

from diar.embedding.speech.detector import LocalActivity
from diar.online.hearing.dips import deepest, loudness
from diar.online.hearing.voices import Voice, Voices

STEP = 0.02  # seconds from frame to frame
FRAMES = 100


def speech(*dips: tuple[int, float]) -> np.ndarray:
    """dB of steady speech with dips at some frames."""
    loud = np.full(FRAMES, -20.0)
    for frame, depth in dips:
        loud[frame - 1 : frame + 2] = -20.0 - depth / 2
        loud[frame] = -20.0 - depth
    return loud


@pytest.mark.parametrize(
    ("dips", "expected"),
    [(((50, 12.0),), (50, 12.0)), (((50, 3.0),), (50, 3.0)), (((40, 9.0), (60, 14.0)), (60, 14.0))],
)
def test_the_deepest_dip_is_found(dips: tuple[tuple[int, float], ...], expected: tuple[int, float]) -> None:
    assert deepest(speech(*dips), np.ones(FRAMES, bool), STEP) == expected


@pytest.mark.parametrize("part", [slice(0, 40), slice(60, FRAMES)])
def test_a_dip_needs_clean_speech_on_both_sides(part: slice) -> None:
    clean = np.ones(FRAMES, bool)
    clean[part] = False
    assert deepest(speech((50, 12.0)), clean, STEP) is None
    assert deepest(speech((50, 12.0))[:30], clean[:30], STEP) is None


def test_loudness_is_that_of_50_ms() -> None:
    power = np.full(9, 1e-2)
    power[4] = 1.0
    assert loudness(power).round(1).tolist() == [-20.0] * 3 + [-4.7] * 3 + [-20.0] * 3


def heard(begin: int, end: int, other: tuple[int, int] = (0, 0)) -> LocalActivity:
    """A seg_window in which one local speaker speaks from frame to frame, and perhaps another one."""
    active = np.zeros((1, 1, FRAMES, 2), bool)
    active[0, 0, begin:end, 0] = True
    active[0, 0, slice(*other), 1] = True
    edges = np.arange(FRAMES + 1) * 320
    return LocalActivity(np.zeros(1, int), edges, 320, (255 * active).astype(np.uint8), active)


def test_a_cut_stays_where_it_is_in_the_stream() -> None:
    voices, quiet = Voices(), np.full(FRAMES, -20.0)
    voices.follow(100, heard(0, FRAMES), quiet, STEP)
    (voice,) = voices.rows
    voice.speaker, voice.embedding = 1, np.ones(2)
    voices.follow(102, heard(0, FRAMES), speech((60, 12.0)), STEP)
    (voice,) = voices.rows
    assert voice.dip is None  # too little was said since the last embedding
    voice.fresh = 1.0
    voices.follow(110, heard(0, FRAMES), speech((60, 12.0)), STEP)
    (voice,) = voices.rows
    assert (voice.speaker, voice.dip) == (1, 60)
    after = voices.cut(voice)
    after.speaker, after.embedding = 2, -np.ones(2)
    assert spans(voices.rows) == [(0, 60, 1), (60, FRAMES, 2)]
    voices.follow(125, heard(0, FRAMES), quiet, STEP)
    assert spans(voices.rows) == [(0, 45, 1), (45, FRAMES, 2)]
    voices.follow(125, heard(0, FRAMES, other=(30, 60)), quiet, STEP)  # nobody speaks alone there
    assert len(voices.rows) == 2
    voices.follow(171, heard(0, FRAMES), quiet, STEP)
    assert spans(voices.rows) == [(0, FRAMES, 2)] and voices.cuts == []


def spans(rows: list[Voice]) -> list[tuple[int, int, int | None]]:
    """Where voices are active, and whose they are."""
    return [
        (int(own[0]), int(own[-1]) + 1, row.speaker) for row in rows if len(own := np.flatnonzero(row.active))
    ]


def test_a_dip_is_looked_at_once() -> None:
    voices = Voices()
    voices.follow(0, heard(0, FRAMES), speech((50, 12.0)), STEP)
    (voice,) = voices.rows
    assert voice.dip is None  # nobody knows yet whose voice it is
    voice.speaker, voice.embedding, voice.fresh = 1, np.ones(2), 1.0
    voices.follow(10, heard(0, FRAMES), speech((50, 12.0)), STEP)
    (voice,) = voices.rows
    assert voice.dip == 50
    rows = voices.as_speakers(heard(0, FRAMES)).active[0, 0]
    assert [(int(own.argmax()), int(own.sum())) for own in rows.T] == [(0, 50), (50, 50)]
    voice.tried = 60
    voices.follow(12, heard(0, FRAMES), speech((48, 12.0)), STEP)
    assert voices.rows[0].dip is None
