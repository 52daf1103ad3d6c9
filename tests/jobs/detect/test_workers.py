"""Work by several processes: in order, few items ahead, and an end that says why."""

import os
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from diar.errors import DiarError
from diar.jobs.detect.workers import start_workers, worth_starting
from tests.commands import ROOT, clean_environment

SLOW = """
import time
from diar.jobs.detect.workers import start_workers

with start_workers(2, 100_000) as workers:
    for _ in workers.map(time.sleep, [0.01] * 100_000):
        print(flush=True)
"""


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


def test_the_processes_of_one_that_is_killed_end_with_it() -> None:
    """They would wait for more work for ever, after what they have: it writes files beside a new run's."""
    call = [sys.executable, "-c", SLOW]
    with subprocess.Popen(call, cwd=ROOT, env=clean_environment(), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.read(1)
        workers = psutil.Process(process.pid).children(recursive=True)
        assert len(workers) >= 2
        process.kill()
    _, alive = psutil.wait_procs(workers, timeout=120)
    assert not alive


def test_little_audio_is_not_worth_a_second_process() -> None:
    assert [worth_starting(minutes * 60, 8) for minutes in (0, 5, 10, 35, 600)] == [1, 1, 2, 4, 8]
    assert worth_starting(3600, 1) == 1
