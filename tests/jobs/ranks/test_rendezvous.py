"""Agreement over a store: all ranks hear the same, and one that starts again alone passes through."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch.distributed as dist

from diar.errors import DiarError
from diar.jobs.ranks.rendezvous import AgreedError, Agreement


def fail(message: str = "disk full") -> None:
    raise DiarError(message)


Act = Callable[[Agreement], Any]


def on_ranks(store: dist.Store, ranks: list[int], world_size: int, act: Act) -> list[Any]:
    """What `act` gives on some ranks at the same time; an AgreedError is a result."""

    def one(rank: int) -> Any:
        try:
            return act(Agreement(store, rank, world_size))
        except AgreedError as error:
            return error

    with ThreadPoolExecutor(len(ranks)) as pool:
        return list(pool.map(one, ranks))


@pytest.fixture
def store() -> dist.Store:
    return dist.HashStore()


def whole_job(agreement: Agreement) -> tuple[Any, ...]:
    rank = agreement.rank
    own = agreement.agree("models", lambda: f"models of {rank}")
    plan = agreement.broadcast("plan", lambda: {"order": [3, 1, 2], "by": rank})
    ranks = agreement.gather("report", {"rank": rank})
    agreement.leave()
    return own, plan, ranks


def test_all_ranks_hear_the_same(store: dist.Store) -> None:
    results = on_ranks(store, [0, 1, 2], 3, whole_job)
    assert [own for own, _, _ in results] == [f"models of {rank}" for rank in range(3)]
    assert all(plan == {"order": [3, 1, 2], "by": 0} for _, plan, _ in results)
    assert all(ranks == [{"rank": rank} for rank in range(3)] for _, _, ranks in results)


@pytest.mark.parametrize("rank", [0, 1])
def test_a_rank_that_starts_again_passes_through_what_is_settled(store: dist.Store, rank: int) -> None:
    first = on_ranks(store, [0, 1], 2, whole_job)
    agreement = Agreement(store, rank, 2)
    assert whole_job(agreement) == first[rank]
    assert agreement.broadcast("plan", fail) == first[rank][1], "a settled step is not done again"


def test_the_others_wait_for_one_that_starts_late(store: dist.Store) -> None:
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(whole_job, Agreement(store, 0, 2))
        time.sleep(0.1)
        assert not waiting.done()
        assert whole_job(Agreement(store, 1, 2))[1:] == waiting.result(timeout=60)[1:]


@pytest.mark.parametrize("failing", [0, 1])
def test_an_error_of_one_rank_is_everybodys(store: dist.Store, failing: int) -> None:
    def act(agreement: Agreement) -> None:
        agreement.agree("work", fail if agreement.rank == failing else list)

    results = on_ranks(store, [0, 1, 2], 3, act)
    assert [str(result) for result in results] == ["disk full"] * 3
    assert Agreement(store, 0, 3).any_failed()


def test_an_error_in_what_rank_0_settles_is_everybodys(store: dist.Store) -> None:
    results = on_ranks(store, [0, 1], 2, lambda agreement: agreement.broadcast("plan", fail))
    assert [str(result) for result in results] == ["disk full"] * 2


def test_a_rank_that_fails_when_it_starts_again_stops_those_who_are_further(store: dist.Store) -> None:
    on_ranks(store, [0, 1], 2, lambda agreement: agreement.agree("models", list))

    def act(agreement: Agreement) -> None:
        try:
            agreement.agree("models", fail) if agreement.rank else agreement.agree("work", list)
        except AgreedError as error:
            agreement.leave(str(error))
            raise

    assert [str(result) for result in on_ranks(store, [0, 1], 2, act)] == ["disk full"] * 2


def test_a_mistake_in_the_program_is_not_agreed_upon(store: dist.Store) -> None:
    with pytest.raises(ZeroDivisionError):
        Agreement(store, 0, 1).agree("work", lambda: 1 / 0)


def test_what_was_said_first_is_remembered(store: dist.Store) -> None:
    assert Agreement(store, 0, 2).remember("started", 1.5) == 1.5
    assert Agreement(store, 0, 2).remember("started", 9.0) == 1.5
    assert Agreement(store, 1, 2).remember("started", 7.0) == 7.0
