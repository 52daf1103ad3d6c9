"""Every shard is done by one rank, whoever dies when."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch.distributed as dist

from diar.extract.claims import Claims

ORDER = [30, 10, 20, 50, 40, 60]


@pytest.fixture
def store() -> dist.Store:
    return dist.HashStore()


def test_ranks_that_claim_at_once_share_the_shards(store: dist.Store) -> None:
    order = list(range(500))
    with ThreadPoolExecutor(4) as pool:
        shares = list(pool.map(lambda rank: list(Claims(store, rank, order)), range(4)))
    assert sorted(shard for share in shares for shard in share) == order
    assert all(share == sorted(share) for share in shares), "in the order of claiming"


def test_a_rank_that_starts_again_knows_its_own(store: dist.Store) -> None:
    first, other = (iter(Claims(store, rank, ORDER)) for rank in (0, 1))
    assert [next(first), next(other), next(first)] == [30, 10, 20]
    again = Claims(store, 0, ORDER)
    assert again.before == [30, 20]
    assert [next(other), *again] == [50, 40, 60]
    assert list(other) == []


def test_a_position_that_a_dead_rank_counted_but_did_not_sign_is_not_forgotten(store: dist.Store) -> None:
    assert next(iter(Claims(store, 0, ORDER))) == 30
    dist.PrefixStore("claims", store).add("next", 1)  # rank 1 dies here
    assert Claims(store, 1, ORDER).before == [10]


def test_a_position_that_was_taken_over_is_not_done_twice(store: dist.Store) -> None:
    claiming = iter(Claims(store, 1, ORDER))
    assert next(claiming) == ORDER[0]
    store.set("claims/owner/1", "0")  # rank 0 started again after rank 1 had counted and before it signed
    assert next(claiming) == ORDER[2]


def test_nothing_to_claim(store: dist.Store) -> None:
    assert list(Claims(store, 0, [])) == []
    assert Claims(store, 0, []).before == []
