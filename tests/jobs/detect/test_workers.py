"""Work by several processes: in order, few items ahead, and an end that says why."""

import os
from collections.abc import Iterator

import pytest

from diar.errors import DiarError
from diar.jobs.detect.workers import start_workers, worth_starting


def square(number: int) -> int:
    return number * number


def fail_at_seven(number: int) -> int:
    if number == 7:
        raise DiarError("seven")
    return number


def die_at_seven(number: int) -> int:
    if number == 7:
        os._exit(9)
    return number


@pytest.mark.parametrize("processes", [1, 2])
def test_results_come_in_order_and_items_are_drawn_as_needed(processes: int) -> None:
    drawn: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(1000):
            drawn.append(number)
            yield number

    with start_workers(processes, 1000) as workers:
        results = workers.map(square, numbers())
        assert next(results) == 0
        assert len(drawn) < 300
        assert list(results) == [number * number for number in range(1, 1000)]
        assert list(workers.map(square, [])) == []


@pytest.mark.parametrize("processes", [1, 2])
def test_an_error_in_the_work_is_raised_here(processes: int) -> None:
    with pytest.raises(DiarError, match="seven"), start_workers(processes, 20) as workers:
        list(workers.map(fail_at_seven, range(20)))


def test_a_killed_process_is_told_with_a_remedy() -> None:
    with pytest.raises(DiarError, match="fewer --processes than 2"), start_workers(2, 20) as workers:
        list(workers.map(die_at_seven, range(20)))


def test_little_audio_is_not_worth_a_second_process() -> None:
    assert [worth_starting(minutes * 60, 8) for minutes in (0, 5, 10, 35, 600)] == [1, 1, 2, 4, 8]
    assert worth_starting(3600, 1) == 1
