"""Workers under supervision: who died is started again, nobody else."""

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from diar.errors import EXIT_ERROR, EXIT_FAILURES, EXIT_INTERRUPTED, EXIT_OK, EXIT_UNFINISHED
from diar.jobs.ranks import supervisor
from diar.jobs.ranks.supervisor import Supervisor
from tests.commands import handling

SPAWN = multiprocessing.get_context("spawn")


def note(folder: Path, rank: int) -> int:
    """How often this rank was started, including now."""
    with (folder / str(rank)).open("a") as file:
        file.write(f"{os.getpid()}\n")
    return len(pids(folder, rank))


def pids(folder: Path, rank: int) -> list[int]:
    file = folder / str(rank)
    return [int(line) for line in file.read_text().split()] if file.exists() else []


def end_with(folder: Path, rank: int, codes: list[int]) -> None:
    note(folder, rank)
    sys.exit(codes[rank])


def rank_1_dies_once(folder: Path, rank: int) -> None:
    if note(folder, rank) == 1 and rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    deadline = time.monotonic() + 120
    while rank == 0 and len(pids(folder, 1)) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)  # at work until the other one is back


def rank_1_always_dies(folder: Path, rank: int) -> None:
    note(folder, rank)
    if rank == 1:
        raise RuntimeError("a mistake")
    time.sleep(600)


def wait_for_ever(folder: Path, rank: int) -> None:
    note(folder, rank)
    time.sleep(600)


def finish_when_asked(folder: Path, rank: int) -> None:
    asked = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: asked.set())
    note(folder, rank)
    asked.wait()
    (folder / f"{rank} has finished").touch()
    sys.exit(EXIT_INTERRUPTED)


def do_not_listen(folder: Path, rank: int) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    wait_for_ever(folder, rank)


def supervise(
    target: Callable[..., None], *arguments: object, max_restarts: int = 1, grace: float = 0.0
) -> int:
    def make(rank: int) -> multiprocessing.process.BaseProcess:
        return SPAWN.Process(target=target, args=(arguments[0], rank, *arguments[1:]))

    return Supervisor(make, 2, max_restarts, grace=grace).run()


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ([EXIT_OK, EXIT_OK], EXIT_OK),
        ([EXIT_FAILURES, EXIT_OK], EXIT_FAILURES),
        ([EXIT_FAILURES, EXIT_ERROR], EXIT_ERROR),
        ([EXIT_INTERRUPTED, EXIT_OK], EXIT_INTERRUPTED),
        ([EXIT_INTERRUPTED, EXIT_ERROR], EXIT_ERROR),
    ],
)
def test_workers_that_come_to_their_end_are_not_started_again(
    tmp_path: Path, codes: list[int], expected: int
) -> None:
    assert supervise(end_with, tmp_path, codes) == expected
    assert [len(pids(tmp_path, rank)) for rank in range(2)] == [1, 1]


def test_only_the_worker_that_died_is_started_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert supervise(rank_1_dies_once, tmp_path) == EXIT_OK
    assert [len(pids(tmp_path, rank)) for rank in range(2)] == [1, 2]
    told = capsys.readouterr().err
    assert "worker 1 died (signal 9, SIGKILL" in told
    assert "restart 1 of 1" in told


def test_when_restarts_are_used_up_all_stop(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    start = time.monotonic()
    assert supervise(rank_1_always_dies, tmp_path, max_restarts=2) == EXIT_UNFINISHED
    assert time.monotonic() - start < 300, "the other one does not sleep to its end"
    assert [len(pids(tmp_path, rank)) for rank in range(2)] == [1, 3]
    told = capfd.readouterr().err
    assert "a mistake" in told
    assert "error: worker 1 died (exit code 1) after 2 restarts; the same command goes on" in told


def signal_when_started(folder: Path, number: signal.Signals, again_after: float | None = None) -> None:
    """Send this process a signal as soon as both workers are there, and tell them; once more if asked."""

    def send() -> None:
        while not (pids(folder, 0) and pids(folder, 1)):
            time.sleep(0.02)
        os.kill(os.getpid(), number)
        time.sleep(0.5)  # more than a round of the supervisor
        (folder / "sent").touch()
        if again_after is not None:
            time.sleep(again_after)
            os.kill(os.getpid(), number)

    threading.Thread(target=send).start()


def end_after_the_signal(folder: Path, rank: int) -> None:
    note(folder, rank)
    deadline = time.monotonic() + 120
    while not (folder / "sent").exists() and time.monotonic() < deadline:
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_signal_that_is_ignored_ends_nobody(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], number: signal.Signals
) -> None:
    with handling(number, signal.SIG_IGN):
        signal_when_started(tmp_path, number)
        assert supervise(end_after_the_signal, tmp_path) == EXIT_OK
        assert signal.getsignal(number) == signal.SIG_IGN
    assert (tmp_path / "sent").exists()
    assert "interrupted" not in capsys.readouterr().err


def assert_ended(folder: Path) -> None:
    for pid in (*pids(folder, 0), *pids(folder, 1)):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
def test_a_signal_ends_workers_that_have_not_begun_to_listen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], number: signal.Signals
) -> None:
    with handling(number, signal.default_int_handler):
        signal_when_started(tmp_path, number)
        assert supervise(wait_for_ever, tmp_path, grace=60.0) == EXIT_INTERRUPTED
        told = capsys.readouterr().err
        assert f"interrupted (signal {int(number)})" in told
        assert "the same command goes on from here" in told
        assert signal.getsignal(number) == signal.default_int_handler
    assert_ended(tmp_path)


def test_workers_finish_what_they_are_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with handling(signal.SIGTERM, signal.default_int_handler):
        signal_when_started(tmp_path, signal.SIGTERM)
        assert supervise(finish_when_asked, tmp_path, grace=60.0) == EXIT_INTERRUPTED
    assert all((tmp_path / f"{rank} has finished").exists() for rank in (0, 1))
    assert "for at most 60 s" in capsys.readouterr().err


@pytest.mark.parametrize(("grace", "again_after"), [(60.0, 1.0), (0.0, None)])
def test_a_second_signal_or_the_end_of_the_grace_stops_at_once(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    grace: float,
    again_after: float | None,
) -> None:
    monkeypatch.setattr(supervisor, "_TIME_TO_END", 0.2)
    monkeypatch.setattr(supervisor, "_BEYOND_GRACE", 0.5)
    with handling(signal.SIGTERM, signal.default_int_handler):
        signal_when_started(tmp_path, signal.SIGTERM, again_after)
        start = time.monotonic()
        assert supervise(do_not_listen, tmp_path, grace=grace) == EXIT_INTERRUPTED
    assert time.monotonic() - start < 50
    assert "stopped at once" in capsys.readouterr().err
    assert_ended(tmp_path)
