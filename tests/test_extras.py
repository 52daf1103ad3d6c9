"""Install lines: of packages that are on an index, into the environment that asks."""

import os
import sys
from pathlib import Path

import pytest

from diar.cli import main
from diar.errors import EXIT_ERROR
from diar.export.errors import ExportError
from diar.extras import install_line, pip_install, require


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
    assert told.startswith("error: scoring needs the package pyannote, ")
    assert told.endswith(f": {install_line('score')}\n") and "diar[" not in told


def test_what_needs_a_missing_or_broken_package_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert require("json", "export", "nobody").loads("1") == 1
    (tmp_path / "broken_engine.py").write_text("import nowhere_to_be_found\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    for package in ("onnxruntime", "broken_engine", "broken_engine.inner"):
        with pytest.raises(ExportError, match=rf"a file needs the package {package.split('.')[0]}, ") as told:
            require(package, "export", "a file", ExportError)
        assert str(told.value).endswith(f"install it by: {install_line('export')}")
    with pytest.raises(ExportError, match="nowhere_to_be_found"):
        require("broken_engine", "export", "a file", ExportError)
