"""Commands print in any encoding, and results may lie at paths that are not UTF-8."""

import json
import os
from pathlib import Path

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
