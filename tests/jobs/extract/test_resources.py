"""How much a rank does at once."""

from hypothesis import given
from hypothesis import strategies as st

from diar.jobs.extract.resources import seconds_in


@given(
    free=st.integers(0, 200 * 10**9),
    chunk_bytes=st.integers(10**6, 10**10),
    ranks=st.integers(1, 8),
)
def test_a_pass_stays_within_six_gigabytes_and_its_share_of_what_is_free(
    free: int, chunk_bytes: int, ranks: int
) -> None:
    seconds = seconds_in(free, chunk_bytes, 32.0, ranks)
    chunks = seconds / 32.0
    assert chunks == int(chunks) >= 1
    assert chunks == 1 or chunks * chunk_bytes <= min(6e9, 0.8 * free / ranks)
    assert seconds <= 1920.0


def test_more_memory_never_means_less_audio() -> None:
    sizes = [seconds_in(free * 10**9, 120 * 10**6, 32.0, 1) for free in range(0, 90, 3)]
    assert sizes == sorted(sizes)
    assert (sizes[0], sizes[-1]) == (32.0, 32.0 * 50)
