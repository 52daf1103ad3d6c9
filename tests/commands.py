"""Running the real commands from tests."""

import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import soundfile as sf

ROOT = Path(__file__).resolve().parent.parent
RATE = 16_000
COMMANDS = (
    "DIARIZE",
    "EXTRACT",
    "DETECT",
    "PLAN",
    "STATUS",
    "SCORE",
    "MODELS",
    "DEMO",
    "SERVE",
    "LIVE",
    "WORDS",
    "VERIFY",
    "PURGE",
    "REKEY",
    "STREAM",
    "SWEEP",
    "TRAIN",
    "FUSE",
)
OPTION_PREFIXES = tuple(f"DIAR_{name}_" for name in COMMANDS)  # of variables that hold options


@contextmanager
def handling(number: signal.Signals, handler: object) -> Iterator[None]:
    """With `handler` for a signal, also in what is started meanwhile if it is SIG_DFL or SIG_IGN.

    Under nohup, and in the background of a script, tests begin with signals ignored.
    """
    before = signal.signal(number, handler)  # type: ignore[arg-type]
    try:
        yield
    finally:
        signal.signal(number, before)


def clean_environment(**extra: str) -> dict[str, str]:
    """The environment without options for diar, so that a developer's settings do not decide a test.

    In fp32, the reference, whatever the processor is fastest in.
    """
    kept = {key: value for key, value in os.environ.items() if not key.startswith(OPTION_PREFIXES)}
    return {**kept, "PYTHONPATH": str(ROOT), "DIAR_EXTRACT_PRECISION": "fp32", **extra}


def command(script: str, *arguments: object) -> list[str]:
    return [sys.executable, str(ROOT / script), *map(str, arguments)]


def run(script: str, *arguments: object, timeout: float = 600, **extra: str) -> subprocess.CompletedProcess:
    """Run a script of the repository to its end; output as text."""
    return subprocess.run(
        command(script, *arguments),
        env=clean_environment(**extra),
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def run_module(*arguments: object, timeout: float = 600, **extra: str) -> subprocess.CompletedProcess:
    """`python -m …` to its end; output as text."""
    call = [sys.executable, "-m", *map(str, arguments)]
    environment = clean_environment(**extra)
    return subprocess.run(call, env=environment, capture_output=True, text=True, timeout=timeout)


def run_diar(*arguments: object) -> subprocess.CompletedProcess:
    """Run the `diar` console command."""
    return run_module("diar", *arguments)


def extract_arguments(archive: object, output: object, *arguments: object) -> tuple[object, ...]:
    """Of stage 1 on the CPU, without a segmentation model unless `arguments` name one."""
    fixed = ("--input_dir", archive, "--output_dir", output, "--device", "cpu", "--segmentation", "none")
    return (*fixed, *arguments)


def extract(
    archive: object, output: object, *arguments: object, **options: str
) -> subprocess.CompletedProcess:
    """Run stage 1 to its end."""
    return run("extract_embeddings_multigpu.py", *extract_arguments(archive, output, *arguments), **options)


def start_extract(archive: object, output: object, *arguments: object, **options: Any) -> subprocess.Popen:
    """Start stage 1; `options` are those of Popen."""
    call = command("extract_embeddings_multigpu.py", *extract_arguments(archive, output, *arguments))
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(call, env=clean_environment(), **{**quiet, **options})


def detect(embeddings: object, output: object, *arguments: object) -> subprocess.CompletedProcess:
    """Run stage 2."""
    return run("detect_boundaries.py", "--embeddings_dir", embeddings, "--output_dir", output, *arguments)


def detect_here(embeddings: object, output: object, *arguments: object) -> subprocess.CompletedProcess:
    """Run stage 2 in this process, which saves the start of a Python."""
    from diar.jobs.detect.command import main

    call = ["--embeddings_dir", embeddings, "--output_dir", output, *arguments]
    out, err = io.StringIO(), io.StringIO()
    environment = mock.patch.dict("os.environ", clean_environment(), clear=True)
    with environment, redirect_stdout(out), redirect_stderr(err):
        code = main([str(argument) for argument in call])
    return subprocess.CompletedProcess(call, code, out.getvalue(), err.getvalue())


def diarize_here(*arguments: object) -> subprocess.CompletedProcess:
    """Run `diar diarize` in this process, on the CPU, with one network for speech."""
    import torch

    from diar.jobs.diarize.command import main

    call = [*map(str, arguments), "--device", "cpu", "--threads", "1", "--speech", "segmentation"]
    out, err, threads = io.StringIO(), io.StringIO(), torch.get_num_threads()
    environment = mock.patch.dict("os.environ", clean_environment(), clear=True)
    try:
        with environment, redirect_stdout(out), redirect_stderr(err):
            code = main(call)
    finally:
        torch.set_num_threads(threads)
    return subprocess.CompletedProcess(call, code, out.getvalue(), err.getvalue())


def write_noise(path: Path, seconds: float, seed: int, rate: int = RATE) -> None:
    """A wav of noise whose colour depends on the seed."""
    rng = np.random.default_rng(seed)
    samples = rng.standard_normal(round(seconds * rate))
    smoothing = np.ones(1 + seed % 7) / (1 + seed % 7)
    path.parent.mkdir(parents=True, exist_ok=True)
    sf.write(path, 0.1 * np.convolve(samples, smoothing, "same"), rate, subtype="PCM_16")


def write_archive(folder: Path, durations: Sequence[float]) -> Path:
    """An archive of noise recordings in two sub-folders."""
    for index, seconds in enumerate(durations):
        write_noise(folder / f"part_{index % 2}" / f"{index}.wav", seconds, index)
    return folder
