import gzip
import json
from pathlib import Path

import pytest
import torch

from diar.jobs.extract.profiling import SKIPPED_PASSES, TRACED_PASSES, Profiler
from diar.jobs.progress.counters import Counters
from diar.store.layout import Layout


def work(profiler: Profiler, counters: Counters, passes: int) -> None:
    for _ in range(passes):
        with counters.timing("embed_step"):
            torch.ones(4, 4) @ torch.ones(4, 4)
        profiler.step()


def trace(layout: Layout) -> list[dict]:
    with gzip.open(layout.profile(0)) as file:
        return json.load(file)["traceEvents"]


def test_a_trace_holds_a_few_passes_after_the_first_with_named_steps(tmp_path: Path) -> None:
    layout, counters = Layout(str(tmp_path / "out")), Counters()
    with Profiler(True, layout, 0, torch.device("cpu"), counters) as profiler:
        work(profiler, counters, SKIPPED_PASSES + TRACED_PASSES)
        written = trace(layout)  # as soon as there is enough, not at the end of a run of days
        work(profiler, counters, 50)
    assert trace(layout) == written
    names = [event["name"] for event in written]
    assert names.count("aten::matmul") == TRACED_PASSES
    assert names.count("embed_step") == TRACED_PASSES


def test_too_few_passes_are_reported(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    layout, counters = Layout(str(tmp_path / "out")), Counters()
    with Profiler(True, layout, 0, torch.device("cpu"), counters) as profiler:
        work(profiler, counters, SKIPPED_PASSES - 1)
    assert "--profile: 3 forward passes" in capsys.readouterr().err
    assert not Path(layout.profile(0)).exists()


def test_a_run_that_ends_while_traced_keeps_what_there_is(tmp_path: Path) -> None:
    layout, counters = Layout(str(tmp_path / "out")), Counters()
    with Profiler(True, layout, 0, torch.device("cpu"), counters) as profiler:
        work(profiler, counters, SKIPPED_PASSES + 2)
    assert [event["name"] for event in trace(layout)].count("embed_step") == 2


def test_without_the_option_nothing_is_written(tmp_path: Path) -> None:
    layout, counters = Layout(str(tmp_path / "out")), Counters()
    with Profiler(False, layout, 0, torch.device("cpu"), counters) as profiler:
        work(profiler, counters, SKIPPED_PASSES + TRACED_PASSES)
    assert not (tmp_path / "out").exists()
