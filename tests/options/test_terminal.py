"""Commands print in any encoding, and results may lie at paths that are not UTF-8."""

import json
import os
import sys
from pathlib import Path

import pytest

from diar.options.terminal import escaped_output, in_one_line, progress_stream, shown
from tests.commands import detect_here, run_module
from tests.detect.observations_sample import Conversation, make_voices, write_store


def test_a_terminal_without_a_character_shows_an_escape() -> None:
    done = run_module("diar", "--help", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: diar COMMAND \\u2026\n")


def test_results_at_paths_that_are_not_utf_8(tmp_path: Path) -> None:
    root = tmp_path / os.fsdecode(b"odd\xff")
    write_store(tmp_path, {"a.wav": Conversation(8.0, make_voices(1, 3), [(0.2, 7.8, 0)])})
    root.mkdir()
    (tmp_path / "E").rename(root / "E")
    for task, name in (
        ("files", "speaker_boundary_detection_result.json"),
        ("turns", "recordings/a.wav/turns.json"),
    ):
        options = ("--task", task, "--no_plot", "--place", "none") if task == "files" else ("--task", task)
        done = detect_here(root / "E", root / "R", *options)
        assert done.returncode == 0, done.stderr
        document = json.loads((root / "R" / name).read_bytes())
        assert document["parameters"]["output_dir"] == str(root / "R")


def test_names_do_not_command_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown("a\x1b]0;x\x07\r\x9b\u202eb\tc\né") == "a\\x1b]0;x\\x07\\r\\x9b\\u202eb\tc\né"
    assert in_one_line("a\nb\tc\x1b") == "a\\nb\\tc\\x1b"
    with escaped_output():
        print("\x1b[2Jname", file=sys.stderr)
        print("\rbar", end="", file=progress_stream())
        with escaped_output():
            print("\x1b[2J")
    print("\r", end="")
    told = capsys.readouterr()
    assert (told.err, told.out) == ("\\x1b[2Jname\n\rbar", "\\x1b[2J\n\r")


def test_an_error_that_names_a_file_shows_its_control_characters(tmp_path: Path) -> None:
    done = detect_here(tmp_path / "\x1b[31mred", tmp_path / "R")
    assert done.returncode == 2
    assert "\\x1b[31mred does not exist" in done.stderr and "\x1b" not in done.stderr
