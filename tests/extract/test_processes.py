"""What workers are started with."""

import subprocess
import sys
import tempfile

import pytest

from diar.extract import processes
from tests.commands import clean_environment

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere workers are spawned")


@LINUX
def test_a_worker_has_torch_from_its_start_and_ctrl_c_does_not_reach_it() -> None:
    code = (
        "import signal, sys\n"
        "def work():\n"
        "    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [])\n"
        "    sys.exit(10 * ('torch' in sys.modules) + (signal.SIGINT in blocked))\n"
        "if __name__ == '__main__':\n"
        "    from diar.extract.processes import worker_context\n"
        "    process = worker_context().Process(target=work)\n"
        "    process.start()\n"
        "    process.join()\n"
        "    print(process.exitcode, 'torch' in sys.modules, signal.pthread_sigmask(signal.SIG_BLOCK, []))\n"
    )
    with tempfile.NamedTemporaryFile("w", suffix=".py") as script:
        script.write(code)
        script.flush()
        call = [sys.executable, script.name]
        done = subprocess.run(call, env=clean_environment(), capture_output=True, text=True)
    assert done.stdout.split(maxsplit=2) == ["11", "False", "set()\n"], done.stderr


@LINUX
def test_where_the_servers_socket_would_have_too_long_a_path_workers_are_spawned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/tmp/" + "x" * 100)
    assert processes.worker_context().get_start_method() == "spawn"
