"""Archives through a call or a room: files stay what they are, and a session's files share its response."""

import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from degraded_archive import degrade_archive, degrade_session
from hypothesis import given
from hypothesis import strategies as st

RATE = 16_000
FILES = [("part_0/0.wav", 0), ("part_0/1.wav", 0), ("part_1/2.wav", 1), ("part_1/3.wav", 1)]


@given(st.lists(st.integers(1, 4000), min_size=1, max_size=6), st.sampled_from([1, 2]))
def test_files_are_cut_where_they_were_joined(lengths: list[int], step: int) -> None:
    waves = [np.full(length, 1.0 + index) for index, length in enumerate(lengths)]

    def channel(x: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, int]:
        return x[::step], RATE // step

    cut = degrade_session(waves, channel, np.random.default_rng(0))
    assert [len(samples) for samples, _ in cut] == pytest.approx([n / step for n in lengths], abs=1)
    for index, (samples, rate) in enumerate(cut):
        assert rate == RATE // step
        assert (samples[1:-1] == 1.0 + index).all(), "nothing of a pause or of another file"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Four files of a second in two blocks: a click each, so that a room's response is to be seen."""
    folder = tmp_path / "archive"
    click = np.zeros(RATE)
    click[RATE // 10] = 0.9
    for path, _ in FILES:
        (folder / "audio" / path).parent.mkdir(parents=True, exist_ok=True)
        sf.write(folder / "audio" / path, click, RATE, subtype="PCM_16")
    with (folder / "truth.csv").open("w", newline="") as table:
        writer = csv.writer(table)
        writer.writerows([["path", "speaker", "block", "odd"], *([p, f"s{b}", b, 0] for p, b in FILES)])
    return folder


def alike(folder: Path) -> np.ndarray:
    """(4, 4) correlations of the first 0.3 s after each file's click."""
    waves = [sf.read(folder / "audio" / path)[0] for path, _ in FILES]
    return np.corrcoef([wave[RATE // 10 + 1 : RATE // 10 + 1 + 3 * RATE // 10] for wave in waves])


def test_a_block_has_one_room(shared_dir: Path, archive: Path, tmp_path: Path) -> None:
    found = {}
    for session in ("block", "file", "archive"):
        degrade_archive(shared_dir, archive, tmp_path / "out" / session, "room", session, seed=1)
        found[session] = alike(tmp_path / "out" / session)
    assert (tmp_path / "out" / "block" / "truth.csv").read_text() == (archive / "truth.csv").read_text()
    block = found["block"]
    assert min(block[0, 1], block[2, 3]) > 0.5, "the same response, and another noise"
    assert max(block[0, 1], block[2, 3]) < 0.999
    assert np.abs(block[:2, 2:]).max() < 0.2
    assert np.abs(found["file"][0, 1:]).max() < 0.2
    assert found["archive"][0, 1:].min() > 0.5


def test_a_call_has_8_khz_and_the_same_seconds(shared_dir: Path, archive: Path, tmp_path: Path) -> None:
    degrade_archive(shared_dir, archive, tmp_path / "out", "tel", "block", seed=1)
    infos = [sf.info(tmp_path / "out" / "audio" / path) for path, _ in FILES]
    assert [(info.samplerate, info.frames) for info in infos] == [(8000, 8000)] * 4
