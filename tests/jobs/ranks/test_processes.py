"""What workers are started with."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from diar.errors import EXIT_UNFINISHED, DiarError, with_flags
from diar.jobs.extract.config import ExtractConfig
from diar.jobs.ranks import processes
from diar.jobs.ranks.launcher import launch, launch_one
from tests.commands import clean_environment

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere workers are spawned")


@LINUX
def test_a_worker_has_torch_from_its_start_and_ctrl_c_does_not_reach_it(tmp_path: Path) -> None:
    """It looks for garbage, but not in torch; the server has not imported Arrow, which starts a thread."""
    (tmp_path / "work.py").write_text(
        "import gc, signal, sys\n"
        "imported = 'torch' in sys.modules and 'pyarrow' not in sys.modules\n"
        "def work():\n"
        "    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [])\n"
        "    frozen = gc.isenabled() and gc.get_freeze_count() > 100_000\n"
        "    sys.exit(100 * frozen + 10 * imported + (signal.SIGINT in blocked))\n"
    )
    script = tmp_path / "script.py"
    script.write_text(
        "import signal, sys\n"
        "from work import work\n"
        "from diar.jobs.ranks.processes import worker_context\n"
        "process = worker_context().Process(target=work)\n"
        "process.start()\n"
        "process.join()\n"
        "print(process.exitcode, 'torch' in sys.modules, signal.pthread_sigmask(signal.SIG_BLOCK, []))\n"
    )
    done = subprocess.run([sys.executable, script], env=clean_environment(), capture_output=True, text=True)
    assert done.stdout.split(maxsplit=2) == ["111", "False", "set()\n"], done.stderr


@LINUX
def test_where_the_servers_socket_would_have_too_long_a_path_workers_are_spawned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/tmp/" + "x" * 100)
    assert processes.worker_context().get_start_method() == "spawn"


def one(_: object) -> int:
    return 1


def note_circumstances(noted: Path) -> int:
    found = (os.environ.get("DIAR_NOTED"), os.environ["RANK"], sorted(os.sched_getaffinity(0)), os.getcwd())
    noted.write_text(json.dumps(found))
    return 0


@LINUX
def test_each_run_finds_its_own_circumstances(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not those of the server, which an earlier run in the same process may have started."""
    noted = tmp_path / "noted"
    cores = os.sched_getaffinity(0)
    for number, chosen in enumerate([cores, {min(cores)}, cores]):
        monkeypatch.setenv("DIAR_NOTED", str(number))
        (tmp_path / str(number)).mkdir()
        monkeypatch.chdir(tmp_path / str(number))
        try:
            os.sched_setaffinity(0, chosen)
            seen = frozenset(os.sched_getaffinity(0))
            assert launch(note_circumstances, noted, workers=one, cores=seen, max_restarts=0) == 0
        finally:
            os.sched_setaffinity(0, cores)
        assert json.loads(noted.read_text()) == [
            str(number),
            "0",
            sorted(chosen),
            str(tmp_path / str(number)),
        ]


def refuse(_: object) -> int:
    raise DiarError("`gpus` names GPU 7, but this machine has 1")


def kill_the_store_and_wait(noted: Path) -> int:
    """Find the process that hosts the store by the port that it listens on, and kill it."""
    noted.write_text(str(os.getpid()))
    port = int(os.environ["MASTER_PORT"])
    os.kill(listening(port), signal.SIGKILL)
    time.sleep(600)
    return 0


def listening(port: int) -> int:
    """The process that listens on a port of this machine."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    inodes = {row[9] for row in rows if row[1].endswith(f":{port:04X}") and row[3] == "0A"}
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if any(os.readlink(link) == f"socket:[{inode}]" for inode in inodes):
                return int(link.parts[2])
    raise AssertionError(f"nobody listens on {port}")


@LINUX
def test_what_the_other_processes_meet_ends_the_run(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(DiarError, match="names GPU 7"):
        launch(len, (), workers=refuse, cores=frozenset(), max_restarts=0)
    with pytest.raises(DiarError, match="names GPU 7"):
        launch_one(refuse, (), frozenset())
    noted = tmp_path / "noted"
    code = launch(kill_the_store_and_wait, noted, workers=one, cores=frozenset(), max_restarts=3)
    assert code == EXIT_UNFINISHED
    assert "error: the process 'store' died (signal 9, SIGKILL" in capfd.readouterr().err
    with pytest.raises(ProcessLookupError):
        os.kill(int(noted.read_text()), 0)


def test_a_taken_port_is_told_by_its_parameter_and_on_the_command_line_by_its_flag() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(DiarError) as caught:
            launch(len, (), workers=one, cores=frozenset(), max_restarts=0, port=port)
    message = str(caught.value)
    assert message.startswith(f"`port={port}`: ")
    assert with_flags(message, ExtractConfig.model_fields).startswith(f"--port {port}: ")
    assert with_flags(message, ExtractConfig.model_fields).endswith("; --port 0 takes any free one")
