from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diar.archive.listing import Recording, list_recordings
from diar.jobs.cost.sample import sample_archive, write_manifest


def archive(seconds: list[float]) -> list[Recording]:
    return [Recording(f"{i}.wav", f"/a/{i}.wav", round(32_000 * s), 1.0) for i, s in enumerate(seconds)]


def taken(sample: list[Recording], seconds: list[float]) -> list[float]:
    """Seconds of each recording in the sample, 0 where it is not in it."""
    amounts = [0.0] * len(seconds)
    for recording in sample:
        index = int(recording.recording_id.split(".")[0])
        amounts[index] = seconds[index] if recording.duration is None else recording.duration
    return amounts


durations = st.lists(st.one_of(st.floats(0.1, 20), st.floats(100, 90_000)), min_size=1, max_size=80)


@given(seconds=durations, wanted=st.floats(10, 200_000))
def test_a_sample_is_as_long_as_wanted(seconds: list[float], wanted: float) -> None:
    sample = sample_archive(archive(seconds), np.array(seconds), wanted)
    amounts = taken(sample, seconds)
    assert len({recording.recording_id for recording in sample}) == len(sample)
    assert all(amount <= length + 1e-6 for amount, length in zip(amounts, seconds, strict=True))
    pieces = min(wanted, sum(seconds)) / 242 + 1
    whole = max((s for s in seconds if s <= 242), default=0)  # may stick out of the piece that it starts in
    assert abs(sum(amounts) - min(wanted, sum(seconds))) <= whole * pieces + len(seconds)


@given(seconds=durations)
def test_a_small_archive_is_taken_whole(seconds: list[float]) -> None:
    sample = sample_archive(archive(seconds), np.array(seconds), 2 * sum(seconds))
    assert sorted(recording.recording_id for recording in sample) == sorted(
        recording.recording_id for recording in archive(seconds)
    )
    assert all(recording.duration is None for recording in sample)


def test_short_and_long_recordings_keep_their_shares() -> None:
    """20 h in files of 2 s and 20 h in two long files: half of the sample each, cut where they are long."""
    seconds = [2.0] * 36_000 + [36_000.0] * 2
    amounts = taken(sample_archive(archive(seconds), np.array(seconds), 20_000), seconds)
    assert sum(amounts[:36_000]) == pytest.approx(10_000, rel=0.05)
    assert amounts[36_000:] == pytest.approx([5_000, 5_000], rel=0.1)


def test_a_day_in_one_file_is_cut() -> None:
    (part,) = sample_archive(archive([86_400.0]), np.array([86_400.0]), 1_000)
    assert (part.offset, part.duration) == (0.0, pytest.approx(1_000))


def test_a_sample_does_not_begin_with_the_beginning_of_the_archive() -> None:
    seconds = [10.0] * 1000
    ids = [int(r.recording_id[:-4]) for r in sample_archive(archive(seconds), np.array(seconds), 1e6)]
    assert np.mean(ids[:100]) == pytest.approx(500, abs=100)


def test_the_manifest_lists_the_same_parts(tmp_path: Path) -> None:
    (tmp_path / "a b.wav").write_bytes(bytes(1000))
    url = str(tmp_path / "a b.wav")
    parts = [Recording("x", url, 1000, 1.0), Recording("y", url, 1000, 1.0, 2.5, 3.0)]
    parts.append(Recording("z", url, 1000, 1.0, 0.0, 4.0))
    write_manifest(tmp_path / "sample.jsonl", parts)
    listed = list_recordings(str(tmp_path / "sample.jsonl")).recordings
    assert [(r.url, r.offset, r.duration) for r in listed] == [(r.url, r.offset, r.duration) for r in parts]
