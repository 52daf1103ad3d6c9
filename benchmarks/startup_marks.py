"""Notes when steps of a command begin and end, in each of its processes; startup_timeline.py has it imported.

`note_steps` wraps functions as soon as their modules are imported. A line a step goes to a file: process id,
step, wall clock at its begin and end, CPU seconds of the process at both.
"""

from __future__ import annotations

import functools
import os
import sys
import time
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from typing import Any

OUT = "DIAR_STEPS_OUT"  # the file of lines
# module → (function of it, the step); None: the import of the module
STEPS: dict[str, list[tuple[str | None, str]]] = {
    "torch": [(None, "import torch")],
    "diar.jobs.extract.run": [
        (None, "import of what ranks need"),
        ("Rank._open_networks", "networks are opened"),
        ("Rank._settle_job", "plan"),
        ("Rank._make_worker", "networks are folded and verified"),
        ("Rank._do_shards", "work"),
        ("Rank._finish", "statistics"),
    ],
    "diar.jobs.diarize.command": [(None, "import of options"), ("_diarize", "all after the options")],
    "diar.jobs.diarize.stages": [(None, "import of stage 2"), ("_check_any_embedded", "stage 1 has ended")],
    "diar.jobs.extract.command": [("_fetch_weights", "weights are looked for")],
    "diar.jobs.ranks.host": [("_answer", "wait for the store"), ("_start_store", "store")],
    "diar.jobs.ranks.supervisor": [("Supervisor.run", "wait for the workers")],
    "diar.jobs.detect.turns": [("diarize_archive", "stage 2")],
}


class _Noting(MetaPathFinder):
    """Finds the modules of STEPS as others do, and wraps their functions."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: object = None) -> ModuleSpec | None:
        if name not in STEPS:
            return None
        others = (finder for finder in sys.meta_path if finder is not self)
        spec = next((spec for finder in others if (spec := finder.find_spec(name, path))), None)
        if spec is not None and spec.loader is not None:
            run = spec.loader.exec_module
            spec.loader.exec_module = lambda module: _run_noted(run, module)  # type: ignore[method-assign]
        return spec


def _run_noted(run: Callable[[Any], None], module: Any) -> None:
    """Run a module, then wrap its functions."""
    for function, step in STEPS[module.__name__]:
        if function is None:
            run = _noted(run, step)
    run(module)
    for function, step in STEPS[module.__name__]:
        if function is not None:
            *classes, name = function.split(".")
            owner = functools.reduce(getattr, classes, module)
            setattr(owner, name, _noted(vars(owner)[name], step))


def _noted(function: Callable[..., Any], step: str) -> Callable[..., Any]:
    @functools.wraps(function)
    def noted(*arguments: Any, **named: Any) -> Any:
        begin, cpu = time.time(), time.process_time()
        try:
            return function(*arguments, **named)
        finally:
            line = f"{os.getpid()}\t{step}\t{begin}\t{time.time()}\t{cpu}\t{time.process_time()}\n"
            with open(os.environ[OUT], "a") as out:  # noqa: PTH123
                out.write(line)

    return noted


def note_steps() -> None:
    """Note from now on what this process imports and calls."""
    if OUT in os.environ:
        sys.meta_path.insert(0, _Noting())
