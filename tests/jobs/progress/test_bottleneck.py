import pytest
from hypothesis import given
from hypothesis import strategies as st

from diar.jobs.progress.bottleneck import describe_loop, find_bound, loop_shares, remedy
from diar.jobs.progress.counters import STEPS, Counters

seconds = st.floats(0, 1e6)


def figures(**counters: float) -> Counters:
    return Counters(**counters)


@given(working=seconds, compute=seconds, decode=seconds, write=seconds)
def test_shares_are_of_the_whole_even_if_the_parts_exceed_it(
    working: float, compute: float, decode: float, write: float
) -> None:
    shares = loop_shares(
        figures(
            working_seconds=working,
            compute_seconds=compute,
            decode_wait_seconds=decode,
            write_wait_seconds=write,
        )
    )
    assert all(0 <= share <= 1 for share in shares.values())
    there_is_any = any((working, compute, decode, write))
    assert sum(shares.values()) == pytest.approx(1.0 if there_is_any else 0.0)


def test_the_rest_of_the_loop_is_told_only_if_there_is_any() -> None:
    shares = {"compute": 0.93, "wait_decode": 0.05, "wait_write": 0.02, "other": 0.0}
    assert describe_loop(shares) == "computing 93 %, waiting for decode 5 %, for writes 2 %"
    assert describe_loop(shares | {"compute": 0.83, "other": 0.1}).endswith("for writes 2 %, other 10 %")


@pytest.mark.parametrize(
    ("counters", "startup", "bound"),
    [
        ({"compute_seconds": 8, "embed_step": 5, "segment_step": 2, "decode_step": 99}, 1, "the encoder"),
        ({"compute_seconds": 8, "embed_step": 2, "segment_step": 5}, 1, "the segmentation model"),
        ({"compute_seconds": 8, "fbank_step": 5}, 1, "fbank"),
        ({"compute_seconds": 8, "rows_step": 5, "write_step": 9}, 1, "making rows"),
        ({"compute_seconds": 4, "decode_wait_seconds": 5}, 1, "decoding"),
        ({"compute_seconds": 4, "write_wait_seconds": 5}, 1, "writing"),
        ({"compute_seconds": 4}, 1, "the loop itself"),
        ({"compute_seconds": 8}, 20, "start-up"),
    ],
)
def test_what_took_longest_bounds_the_run(counters: dict[str, float], startup: float, bound: str) -> None:
    assert find_bound(figures(working_seconds=10, **counters), startup) == bound
    assert remedy(bound)


def test_a_run_that_did_nothing_is_bound_by_its_start_up() -> None:
    assert find_bound(figures(), 3.0) == "start-up"


@pytest.mark.parametrize("step", [step for step in STEPS if step not in ("decode", "write")])
def test_every_step_that_may_bound_a_run_has_a_remedy(step: str) -> None:
    counters = figures(working_seconds=10, compute_seconds=9, **{f"{step}_step": 9.0})
    assert remedy(find_bound(counters, 0.0))
