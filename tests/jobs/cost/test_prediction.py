import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from diar.jobs.cost.prediction import CostError, Job

rtfs, amounts = st.floats(1e-6, 10), st.floats(0.01, 1e6)
jobs = st.builds(Job, rtfs, amounts, st.floats(0.01, 1))


def test_the_formulas_of_one_example() -> None:
    """10 000 h at 1000 × real time on GPUs that work 80 % of the time, at 2.40 an hour."""
    job = Job(rtf=0.001, audio_hours=10_000, utilisation=0.8)
    assert job.hours(1) == pytest.approx(12.5)
    assert job.hours(5) == pytest.approx(2.5)
    assert job.cost_per_minute(2.4) == pytest.approx(5e-5)
    assert job.cost(5, 2.4) == pytest.approx(30)
    assert job.workers_for(2.5) == 5
    assert job.workers_for(2.4) == 6


@given(job=jobs, workers=st.integers(1, 1000))
def test_twice_the_workers_take_half_the_time_at_the_same_cost(job: Job, workers: int) -> None:
    assert job.hours(2 * workers) == pytest.approx(job.hours(workers) / 2)
    assert job.cost(2 * workers, 3.0) == pytest.approx(job.cost(workers, 3.0))


@given(job=jobs, workers=st.integers(1, 1000), price=st.floats(0, 100))
def test_the_minutes_cost_what_the_workers_cost(job: Job, workers: int, price: float) -> None:
    assert job.cost(workers, price) == pytest.approx(job.cost_per_minute(price) * 60 * job.audio_hours)


@given(job=jobs, longest=st.floats(0, 100), deadline=amounts, startup=st.floats(0, 60))
def test_a_deadline_takes_the_fewest_workers(
    job: Job, longest: float, deadline: float, startup: float
) -> None:
    job = Job(job.rtf, job.audio_hours, job.utilisation, longest, startup)
    left = deadline - startup / 3600
    assume(left > 0 and job.least_hours <= left)
    assume(job.rtf * job.audio_hours / (left * job.utilisation) < 1e6)
    workers = job.workers_for(deadline)
    assert job.hours(workers) <= left
    assert workers == 1 or job.hours(workers - 1) > left * (1 - 1e-12)


@given(job=jobs, longest=st.floats(0.1, 100), workers=st.integers(1, 1000))
def test_nothing_is_faster_than_the_longest_recording(job: Job, longest: float, workers: int) -> None:
    one = Job(job.rtf, longest, job.utilisation)
    all_of_it = Job(job.rtf, job.audio_hours, job.utilisation, longest)
    assert all_of_it.hours(workers) >= all_of_it.least_hours == pytest.approx(one.hours(1))


@pytest.mark.parametrize(
    ("figures", "named"),
    [
        ({"utilisation": 0.0}, "--utilisation 0"),
        ({"utilisation": 1.01}, "--utilisation 1.01 must be above 0 and at most 1"),
        ({"utilisation": math.nan}, "--utilisation nan"),
        ({"rtf": 0.0}, "--rtf 0"),
        ({"rtf": math.inf}, "--rtf inf"),
        ({"audio_hours": -1.0}, "--hours -1"),
    ],
)
def test_figures_out_of_range_are_named(figures: dict[str, float], named: str) -> None:
    with pytest.raises(CostError, match=named):
        Job(**{"rtf": 0.1, "audio_hours": 1.0, **figures})


@pytest.mark.parametrize(
    ("deadline", "why"),
    [
        (0.1, "longest recording"),
        (0.001, "start-up alone"),
        (-1.0, "must be above 0"),
        (math.nan, "nan must be"),
    ],
)
def test_an_impossible_deadline_tells_why(deadline: float, why: str) -> None:
    job = Job(0.01, 1000, 1.0, longest_hours=24, startup_seconds=10)
    with pytest.raises(CostError, match=why):
        job.workers_for(deadline)


def test_a_deadline_for_a_million_workers_is_refused() -> None:
    with pytest.raises(CostError, match="it would take 10,000,000 workers"):
        Job(1.0, 1e7).workers_for(1.0)
