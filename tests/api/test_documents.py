"""The examples in README and docs, the notebook and the docstrings run as they stand; of commands, some."""

import doctest
import importlib
import json
import os
import sys
from pathlib import Path

import pytest

import diar
from tests.commands import ROOT

sys.path.insert(0, str(ROOT / "docs"))

import run_blocks

PAGE = ROOT / "docs" / "python.md"
NOTEBOOK = ROOT / "docs" / "notebooks" / "who_speaks_when.ipynb"


@pytest.fixture
def words() -> None:
    """What `diar.transcribe` needs."""
    pytest.importorskip("faster_whisper", reason="it recognises words: the extra words is not installed")


@pytest.fixture
def folder(
    talk: Path,
    phone_call: Path,
    commands: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """The current folder, with the recordings that the examples name."""
    for name in ("a.wav", "b.wav", "meeting.wav"):
        os.link(talk, tmp_path / name)
    os.link(phone_call, tmp_path / "call.wav")
    (tmp_path / "E").symlink_to(commands[0])
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_the_page_runs_from_top_to_bottom(
    words: None, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    blocks = [block for block in run_blocks.blocks_of(PAGE) if block.language == "python"]
    assert len(blocks) >= 9
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block.text, f"{PAGE.name}:{block.line}", "exec"), names)
    assert "missing nothing.wav: does not exist" in capsys.readouterr().out
    assert (folder / "turns.png").is_file()
    assert [speaker.channel for speaker in names["call"].speakers.values()] == [0, 1]  # type: ignore[attr-defined]


def test_the_lines_of_the_readme_run(words: None, folder: Path) -> None:
    blocks = [block for block in run_blocks.blocks_of(ROOT / "README.md") if block.language == "python"]
    assert len(blocks) == 1
    assert not run_blocks.run_python(blocks[0], folder, {})


def test_commands_of_the_pages_run(folder: Path, commands: tuple[Path, Path]) -> None:
    """A few that take no network: docs/run_blocks.py runs all."""
    for name in ("R", "REF"):
        (folder / name).symlink_to(commands[1])
    blocks = [block.text for page in run_blocks.pages() for block in run_blocks.blocks_of(page)]
    for start in (
        "diar plan --stats E",
        "diar plan --rtf",
        "diar score der --reference REF --hypothesis R --report",
        "diar models list",
    ):
        command = next(text for text in blocks if text.startswith(start))
        assert not run_blocks.run_bash(command, folder), command
    assert (folder / "plan.json").is_file() and (folder / "PAGE").exists()


def test_the_page_names_everything_that_is_offered() -> None:
    text = PAGE.read_text(encoding="utf-8")
    functions = [name for name in diar.__all__ if name[0].islower()]
    assert not [name for name in [*functions, "Archive", "DiarError"] if f"diar.{name}" not in text]


@pytest.mark.parametrize("module", ["diar", *sorted(set(diar._HOMES.values()))])
def test_docstrings_run(module: str, folder: Path, request: pytest.FixtureRequest) -> None:
    if module == "diar.api.transcribe":
        request.getfixturevalue("words")
    (folder / "embeddings").symlink_to(folder / "E")
    done = doctest.testmod(importlib.import_module(module), optionflags=doctest.ELLIPSIS)
    assert done.failed == 0
    if module in ("diar", "diar.api.encoder", "diar.api.voice", "diar.api.diarize"):
        assert done.attempted > 1


def test_the_notebook_is_stored_without_outputs() -> None:
    cells = [cell for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == "code"]
    assert len(cells) > 6
    assert not any(cell["outputs"] or cell["execution_count"] for cell in cells)


@pytest.mark.slow
def test_the_notebook_runs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbclient = pytest.importorskip("nbclient", reason="nbclient runs the notebook (pip install nbclient)")
    pytest.importorskip("ipykernel", reason="the notebook needs a kernel (pip install ipykernel)")
    import nbformat

    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), *sys.path]))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}})
    client.execute()
    shown = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert sum("image/png" in output.get("data", {}) for output in shown) >= 4
