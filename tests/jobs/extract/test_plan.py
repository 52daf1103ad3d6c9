import heapq
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diar.archive.listing import Recording
from diar.jobs.extract import plan as module
from diar.jobs.extract.plan import (
    ShardLimits,
    assign_shards,
    claim_order,
    make_plan,
    save_plan,
    shard_recordings,
)
from diar.store.layout import Layout
from diar.store.reader import read_planned


def recordings(sizes: list[int], prefix: str = "") -> list[Recording]:
    return [Recording(f"{prefix}{i}.wav", f"/a/{prefix}{i}.wav", size, 1.0) for i, size in enumerate(sizes)]


def column(plan: pa.Table, name: str) -> dict[str, object]:
    return dict(zip(plan["recording_id"].to_pylist(), plan[name].to_pylist(), strict=True))


@given(
    sizes=st.lists(st.integers(0, 1000), min_size=1, max_size=200),
    files=st.integers(1, 20),
    size=st.integers(1, 3000),
)
def test_shards_are_consecutive_and_within_their_limits(sizes: list[int], files: int, size: int) -> None:
    shards = assign_shards(recordings(sizes), ShardLimits(files, size), first=5)
    assert shards[0] == 5
    assert set(np.diff(shards)) <= {0, 1}
    for shard in set(shards.tolist()):
        members = np.array(sizes)[shards == shard]
        assert len(members) <= files
        assert members.sum() <= size or len(members) == 1
    for first in 1 + np.flatnonzero(np.diff(shards)):  # of each next shard: it did not fit any more
        before = np.array(sizes)[shards == shards[first - 1]]
        assert len(before) == files or before.sum() + sizes[first] > size


def test_a_small_archive_still_makes_several_shards_and_a_large_one_keeps_the_limits() -> None:
    small = ShardLimits.for_archive(recordings([32_000] * 128), 512, 256_000_000)
    assert small.files == 16
    middle = ShardLimits.for_archive(recordings([32_000] * 100_000), 512, 256_000_000)
    assert middle == ShardLimits(391, 12_500_000)
    large = ShardLimits.for_archive(recordings([2_000_000] * 140_000), 512, 256_000_000)
    assert large == ShardLimits(512, 256_000_000)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("files", "median"), [(3000, 10.0), (5000, 30.0), (200, 3600.0), (20_000, 1.0)])
def test_eight_workers_end_together_on_a_skewed_archive(files: int, median: float, seed: int) -> None:
    seconds = np.random.default_rng(seed).lognormal(np.log(median), 0.9, files)
    seconds[files // 3] = min(6 * 3600, seconds.sum() / 10)
    listed = recordings([round(32_000 * duration) for duration in seconds])
    plan = make_plan(listed, ShardLimits.for_archive(listed, 512, 256_000_000))
    sizes = np.bincount(plan["shard"], weights=plan["size"])
    free_at = [0.0] * 8
    for shard, _ in claim_order(plan):
        heapq.heapreplace(free_at, free_at[0] + sizes[shard])
    assert sizes.sum() / 8 / max(free_at) > 0.97
    assert len(sizes) < 400


def test_a_plan_keeps_what_is_settled_when_files_come_change_and_go() -> None:
    limits = ShardLimits(2, 10**9)
    first = make_plan(recordings([10, 10, 10, 10]), limits)
    assert column(first, "shard") == {"0.wav": 0, "1.wav": 0, "2.wav": 1, "3.wav": 1}
    now = [*recordings([10, 10, 99]), Recording("01.wav", "/a/01.wav", 10, 1.0)]  # 2 changed, 3 gone, 01 new
    second = make_plan(now, limits, first, first_shard=2)
    assert column(second, "shard") == {"0.wav": 0, "1.wav": 0, "2.wav": 2, "01.wav": 2}
    assert column(second, "position") == {"0.wav": 0, "1.wav": 1, "2.wav": 2, "01.wav": 3}
    again = make_plan(now, limits, second, first_shard=3, redo=frozenset({"0.wav"}))
    assert column(again, "shard")["0.wav"] == 3
    assert make_plan(now, limits, again).equals(again)


def test_a_rank_reads_back_the_recordings_of_one_shard(tmp_path: Path) -> None:
    layout = Layout(str(tmp_path))
    listed = [*recordings([5, 6, 7]), Recording("m@1-2", "/a/m.wav", 8, 2.5, offset=1.0, duration=1.0)]
    save_plan(layout, make_plan(listed, ShardLimits(2, 10**9)))
    assert shard_recordings(layout, 1) == listed[2:]


def test_the_largest_shards_are_claimed_first() -> None:
    plan = make_plan(recordings([1, 1, 50, 1, 9, 9]), ShardLimits(2, 10**9))
    assert claim_order(plan) == [(1, 51), (2, 18), (0, 2)]


def test_a_plan_of_many_recordings_is_read_by_shard(tmp_path: Path) -> None:
    layout = Layout(str(tmp_path))
    save_plan(layout, make_plan(recordings([1] * 40_000), ShardLimits(512, 10**9)))
    part = read_planned(layout, 70)
    assert part["position"].to_pylist() == list(range(70 * 512, 71 * 512))


@given(st.lists(st.text("abc", max_size=3), max_size=20), st.lists(st.text("abc", max_size=3), unique=True))
def test_ids_are_found_wherever_they_stand(ids: list[str], among: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_IDS_AT_A_TIME", 3)
        found = module.find_ids(pa.chunked_array([ids], pa.string()), pa.chunked_array([among], pa.string()))
    assert found.tolist() == [among.index(one) if one in among else -1 for one in ids]


def test_another_part_is_new_work_and_another_speaker_count_is_not() -> None:
    listed = [
        Recording("a.mp3", "/a.mp3", 10, 1.0, duration=4.0, num_speakers=2),
        Recording("b.mp3", "/b.mp3", 10, 1.0, num_speakers=2, label="Ann", reference="/b.rttm"),
        Recording("c.mp3", "/c.mp3", 10, 1.0, offset=1.0),
    ]
    limits = ShardLimits(100, 10**9)
    before = make_plan(listed, limits)
    now = [
        replace(listed[0], duration=8.0),
        replace(listed[1], num_speakers=3, label=None, reference="/other.rttm"),
        replace(listed[2], duration=1.0),
    ]
    after = make_plan(now, limits, before, first_shard=1)
    assert column(after, "shard") == {"a.mp3": 1, "b.mp3": 0, "c.mp3": 1}
    assert column(after, "num_speakers") == {"a.mp3": 2, "b.mp3": 3, "c.mp3": None}
    assert column(after, "reference")["b.mp3"] == "/other.rttm"
    assert make_plan(now, limits, after, first_shard=2)["shard"].to_pylist() == [0, 1, 1]
