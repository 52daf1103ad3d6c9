"""One writer at a time, whose lock file goes with it; the next one's may have just been made."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from diar.leases.alone import LockError, Waiting
from diar.leases.lock_files import only_writer
from tests.commands import clean_environment

COUNT = """
import sys
from pathlib import Path
from diar.leases.alone import Waiting
from diar.leases.lock_files import only_writer

lock, count = sys.argv[1], Path(sys.argv[2])
for _ in range(100):
    with only_writer(lock, Waiting(600.0, lambda text: None), print):
        number = int(count.read_text())
        count.write_text(str(number + 1))
"""


def never(reason: str) -> None:
    raise AssertionError(reason)


def test_one_is_refused_and_told_who_writes_there(tmp_path: Path) -> None:
    lock, told = tmp_path / "R/_detection/run.lock", []
    with only_writer(str(lock), Waiting(0.0, never), never):
        who = f"another run is writing here, process {os.getpid()} on .*, and holds {lock}"
        with pytest.raises(LockError, match=who), only_writer(str(lock), Waiting(0.0, never), never):
            pass
        with pytest.raises(LockError), only_writer(str(lock), Waiting(0.5, told.append), never):
            pass
        assert lock.exists()
    assert [text.startswith(f"waiting for process {os.getpid()} on ") for text in told] == [True]


def test_nothing_is_left_of_it_but_what_was_there_or_was_made(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with only_writer(str(tmp_path / "mine/R/_detection/run.lock"), Waiting(0.0, never), never):
        pass
    assert list(tmp_path.rglob("*")) == [tmp_path / "mine"]
    with only_writer(str(tmp_path / "R/_detection/run.lock"), Waiting(0.0, never), never):
        (tmp_path / "R/result.json").write_text("{}")
    assert sorted((tmp_path / "R").rglob("*")) == [tmp_path / "R/result.json"]


def test_of_a_writer_that_was_killed_the_file_is_left_and_holds_nobody_up(tmp_path: Path) -> None:
    lock = tmp_path / "R/_detection/run.lock"
    lock.parent.mkdir(parents=True)
    lock.write_text("process 7 on another")
    with only_writer(str(lock), Waiting(0.0, never), never):
        assert lock.read_text().startswith(f"process {os.getpid()} on ")
    assert not lock.exists() and lock.parent.exists()


def test_many_that_begin_and_end_at_once_are_never_two_at_a_time(tmp_path: Path) -> None:
    lock, count = tmp_path / "R/_detection/run.lock", tmp_path / "count"
    count.write_text("0")
    call = [sys.executable, "-c", COUNT, str(lock), str(count)]
    writers = [subprocess.Popen(call, env=clean_environment()) for _ in range(4)]
    assert [writer.wait(600) for writer in writers] == [0] * 4
    assert count.read_text() == "400"
    assert not lock.exists()
