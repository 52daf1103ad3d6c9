"""A script without `if __name__ == "__main__":`, and a notebook, call what starts processes."""

import re
import subprocess
import sys
import types
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import spawn
from pathlib import Path
from unittest import mock

import pytest

from diar.spawning import caller_not_imported
from tests.commands import ROOT, clean_environment, write_archive

STAGE_1 = """
from concurrent.futures import ThreadPoolExecutor

from diar.cli import main

stage_1 = ["--input_dir", "archive", "--output_dir", "E", "--model_dir", "model", "--device", "cpu"]
processes = ["--workers", "2", "--decode_in", "processes"]
with ThreadPoolExecutor(1) as other_thread:  # which may not handle signals
    extracted = other_thread.submit(main, ["extract", *stage_1, *processes]).result()
print("code", extracted)
"""
STAGE_2 = """
import diar
from diar.cli import main

stage_2 = ["--embeddings_dir", "E", "--task", "turns", "--processes", "2"]
detected = main(["detect", *stage_2, "--output_dir", "R"])
print("code", detected, "recordings", len(diar.Archive("E")))
"""
SPEECH = """
from diar.demo.espeak import speak
from diar.demo.voices import VOICES

print("seconds", len(speak(VOICES[0], "good morning")) // 16_000)
"""


@pytest.fixture
def folder(tmp_path: Path, tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a small archive and a model."""
    write_archive(tmp_path / "archive", [3, 4, 3, 4])
    (tmp_path / "model").symlink_to(tiny_model_dir)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_script(text: str) -> list[str]:
    Path("mine.py").write_text(text)
    call = [sys.executable, "mine.py"]
    done = subprocess.run(call, env=clean_environment(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return [line for line in done.stdout.splitlines() if line.startswith(("code", "seconds"))]


def run_notebook(text: str) -> str:
    nbclient = pytest.importorskip("nbclient", reason="nbclient runs the notebook (pip install nbclient)")
    pytest.importorskip("ipykernel", reason="the notebook needs a kernel (pip install ipykernel)")
    import nbformat

    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text)])
    with mock.patch.dict("os.environ", clean_environment(), clear=True):
        nbclient.NotebookClient(notebook, timeout=300).execute()
    return "".join(out.get("text", "") for out in notebook.cells[0].outputs)


def test_only_processes_of_this_thread_leave_the_caller_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def prepared() -> set[str]:
        return {key for key in spawn.get_preparation_data("a name") if key.startswith("init_main_from_")}

    script = types.ModuleType("__main__")
    script.__file__ = "/somewhere/script.py"
    script.__spec__ = None
    monkeypatch.setitem(sys.modules, "__main__", script)
    before = spawn.get_preparation_data
    with ThreadPoolExecutor(1) as other_thread, caller_not_imported():
        assert not prepared()
        assert other_thread.submit(prepared).result() == {"init_main_from_path"}
    assert spawn.get_preparation_data is before


def test_no_process_is_started_in_another_way() -> None:
    plain = r"get_context\(|multiprocessing\.(Pool|Process)\(|ProcessPoolExecutor\((?!.*mp_context=SPAWN)"
    sources = (ROOT / "diar").rglob("*.py")
    assert not [path for path in sources if re.search(plain, path.read_text(encoding="utf-8"))]


@pytest.mark.slow
def test_both_stages_in_a_script_without_a_guard_and_in_a_notebook(folder: Path) -> None:
    assert run_script(STAGE_1 + STAGE_2) == ["code 0", "code 0 recordings 4"]
    assert "code 0 recordings 4\n" in run_notebook(STAGE_2)


def test_a_script_without_a_guard_speaks(folder: Path) -> None:
    pytest.importorskip("espeakng_loader", reason="speech synthesis needs espeakng-loader")
    assert run_script(SPEECH) == ["seconds 0"]
