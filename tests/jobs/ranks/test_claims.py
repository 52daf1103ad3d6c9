"""Every shard is done by one rank, whoever dies when, and none ends long after the others."""

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch.distributed as dist

from diar.jobs.ranks import claims
from diar.jobs.ranks.claims import Claims

ORDER = [(30, 1), (10, 1), (20, 1), (50, 1), (40, 1), (60, 1)]


@pytest.fixture
def store() -> dist.Store:
    return dist.HashStore()


def at_once() -> Callable[[], int]:
    """Bytes read by a rank that has always read everything."""
    return itertools.count(step=10**6).__next__


def claim(store: dist.Store, rank: int, order: Sequence[tuple[int, int]] = ORDER) -> Iterator[int]:
    return Claims(store, rank, 4, order).shards([], at_once())


def test_ranks_that_claim_at_once_share_the_shards(store: dist.Store) -> None:
    order = [(shard, 1) for shard in range(500)]
    ranks = [claim(store, rank, order) for rank in range(4)]  # one that came later might sign for another
    with ThreadPoolExecutor(4) as pool:
        shares = list(pool.map(list, ranks))
    assert sorted(shard for share in shares for shard in share) == list(range(500))
    assert all(share == sorted(share) for share in shares), "in the order of claiming"


def test_a_rank_that_starts_again_knows_its_own(store: dist.Store) -> None:
    first, other = claim(store, 0), claim(store, 1)
    assert [next(first), next(other), next(first)] == [30, 10, 20]
    again = Claims(store, 0, 4, ORDER)
    assert again.before == [30, 20]
    assert [next(other), *again.shards([20], at_once())] == [50, 20, 40, 60]
    assert list(other) == []


def test_a_position_that_a_dead_rank_counted_but_did_not_sign_is_not_forgotten(store: dist.Store) -> None:
    assert next(claim(store, 0)) == 30
    dist.PrefixStore("claims", store).add("next", 1)  # rank 1 dies here
    assert Claims(store, 1, 4, ORDER).before == [10]


def test_a_position_that_was_taken_over_is_not_done_twice(store: dist.Store) -> None:
    claiming = claim(store, 1)
    assert next(claiming) == 30
    store.set("claims/owner/1", "0")  # rank 0 started again after rank 1 had counted and before it signed
    assert next(claiming) == 20


def test_nothing_to_claim(store: dist.Store) -> None:
    assert list(claim(store, 0, [])) == []
    assert Claims(store, 0, 4, []).before == []


def test_a_rank_at_a_long_recording_leaves_the_rest_to_the_others(store: dist.Store) -> None:
    order = [(0, 100), *((shard, 10) for shard in range(1, 11))]
    read = 1000  # before it died and was started again
    long = Claims(store, 0, 2, order).shards([], lambda: read)
    assert next(long) == 0
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(next, long)
        others = Claims(store, 1, 2, order).shards([], at_once())
        assert [next(others) for _ in range(4)] == [1, 2, 3, 4]
        time.sleep(0.2)
        assert not waiting.done(), "100 before it, and 60 / 2 would be its share"
        read = 1070
        assert waiting.result(timeout=60) == 5


def test_a_rank_without_progress_claims_in_the_end(
    store: dist.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "_STUCK", 0.1)
    stuck = Claims(store, 0, 2, [(0, 100), (1, 10)]).shards([], lambda: 0)
    assert list(stuck) == [0, 1]


def test_a_rank_alone_never_waits_for_others(store: dist.Store) -> None:
    start = time.monotonic()
    assert list(Claims(store, 0, 1, [(0, 5), (1, 5), (2, 5)]).shards([], lambda: 0)) == [0, 1, 2]
    assert time.monotonic() - start < 1
