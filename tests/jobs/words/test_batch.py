"""The batch that nobody asked for: by the memory of a GPU, a power of two."""

from diar.jobs.words.batch import default_batch


def test_more_memory_takes_more_half_minutes_at_once() -> None:
    assert [default_batch(int(gb * 1e9), False) for gb in (2, 4, 6.1, 8.5, 12, 16, 24, 80)] == [
        1, 1, 4, 8, 16, 16, 32, 32,
    ]  # fmt: skip
    assert default_batch(None, False) == default_batch(None, True) == default_batch(80_000_000_000, True) == 4
