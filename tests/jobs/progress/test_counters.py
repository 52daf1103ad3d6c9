import json
import threading

import pytest

from diar.jobs.progress.counters import Counters


def test_what_is_being_timed_is_in_the_snapshot_before_it_ends() -> None:
    counters = Counters(compute_seconds=5.0)
    with counters.timing("compute_seconds"), counters.timing("working_seconds"):
        threading.Event().wait(0.02)
        assert counters.compute_seconds == 5.0
        now = counters.snapshot()
        assert now.compute_seconds - 5.0 >= 0.02
        assert now.working_seconds >= 0.02
    assert counters.compute_seconds >= now.compute_seconds
    assert counters.snapshot() == counters


def test_an_error_inside_is_timed_as_well() -> None:
    counters = Counters()
    with pytest.raises(ValueError, match="inside"), counters.timing("embed_step"):
        raise ValueError("inside")
    assert counters.embed_step > 0
    assert counters.snapshot().embed_step == counters.embed_step


def test_counters_are_figures_in_json_and_add_up() -> None:
    one, two = Counters(files=2, bytes=30, embed_step=0.5), Counters(files=1, failed=1, embed_step=0.25)
    there_and_back = Counters.of({"rank": 0, **json.loads(json.dumps(one.figures()))})
    assert there_and_back == one
    assert Counters.total([one, two]) == Counters(files=3, failed=1, bytes=30, embed_step=0.75)
    assert Counters.total([one, two]) - two == one
    assert Counters.total([]) == Counters()
