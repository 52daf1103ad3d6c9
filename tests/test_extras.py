"""Install lines: of packages that are on an index, into the environment that asks."""

import os
import sys
from pathlib import Path

import pytest

from diar.cli import main
from diar.errors import EXIT_ERROR
from diar.extras import install_line, pip_install


def test_the_line_is_for_this_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python 3"))
    monkeypatch.setenv("PATH", os.fspath(tmp_path))
    assert pip_install("pandas") == f"'{tmp_path}/python 3' -m pip install pandas"
    pip = tmp_path / "pip"
    pip.touch(0o755)
    assert pip_install("pandas") == "pip install pandas"
    assert (
        install_line("demo", "--force-reinstall") == "pip install --force-reinstall 'espeakng-loader>=0.2.4'"
    )
    monkeypatch.setattr(sys, "executable", "/elsewhere/python")
    assert pip_install("pandas") == "/elsewhere/python -m pip install pandas"


def test_scoring_without_its_package_tells_how_to_get_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyannote.core", None)
    (tmp_path / "a.rttm").write_text("SPEAKER a 1 0.000 4.000 <NA> <NA> anna <NA> <NA>\n")
    assert main(["score", "der", str(tmp_path / "a.rttm"), str(tmp_path / "a.rttm")]) == EXIT_ERROR
    told = capsys.readouterr().err
    assert told.startswith("error: scoring needs pyannote.metrics ")
    assert told.endswith(f": {install_line('score')}\n") and "diar[" not in told
