from dataclasses import asdict

import pytest

from diar.jobs.extract.statistics import summarise_ranks
from diar.jobs.progress.counters import Counters


def rank(number: int, **counters: float) -> dict:
    return {"rank": number, "device": "cpu", "seconds": 12.0, **asdict(Counters(**counters))}


def test_the_run_is_the_sum_of_its_ranks_and_keeps_each() -> None:
    run = summarise_ranks(
        [
            rank(0, files=3, working_seconds=10, compute_seconds=9, audio_seconds=50, decode_step=4),
            rank(1, files=1, working_seconds=5, decode_wait_seconds=4, audio_seconds=10, decode_step=1),
        ]
    )
    assert (run["seconds"], run["working_seconds"], run["startup_seconds"]) == (12, 10, 2)
    assert (run["recordings"], run["audio_seconds"], run["times_real_time"]) == (4, 60, 5)
    assert run["steps"] == {"decode": 5, "fbank": 0, "segment": 0, "embed": 0, "rows": 0, "write": 0}
    assert run["loop"] == pytest.approx(
        {"compute": 9 / 15, "wait_decode": 4 / 15, "wait_write": 0, "other": 2 / 15}
    )
    assert run["bound_by"] == "the encoder"
    assert run["idle_share"] == pytest.approx(0.25)
    assert [one["bound_by"] for one in run["ranks"]] == ["the encoder", "decoding"]
    assert run["ranks"][1]["loop"]["wait_decode"] == pytest.approx(0.8)
    assert run["ranks"][1]["steps"]["decode"] == 1


def test_a_run_that_found_everything_done_has_no_shares() -> None:
    run = summarise_ranks([rank(0, skipped_files=7)])
    assert (run["times_real_time"], run["idle_share"], run["already_published"]) == (0, 0, 7)
    assert set(run["loop"].values()) == {0}
    assert run["bound_by"] == "start-up"
