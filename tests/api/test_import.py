"""`import diar` costs nothing, and offers what it says."""

import re
import subprocess
import sys

import pytest

import diar
from tests.commands import ROOT

_MOST_SECONDS = 0.1
_HEAVY = ("torch", "numpy", "scipy", "pyarrow", "matplotlib", "pydantic", "av", "fsspec", "pandas")


def run(code: str, *options: str) -> subprocess.CompletedProcess:
    call = [sys.executable, *options, "-c", code]
    return subprocess.run(call, cwd=ROOT, capture_output=True, text=True, check=True)


def test_importing_takes_less_than_a_tenth_of_a_second() -> None:
    def seconds() -> float:
        told = run("import diar", "-X", "importtime").stderr
        return int(re.findall(r"(\d+) \| diar$", told, re.MULTILINE)[-1]) / 1e6

    assert min(seconds() for _ in range(5)) < _MOST_SECONDS


def test_importing_loads_nothing_heavy() -> None:
    loaded = run("import sys, diar; print(*sys.modules)").stdout.split()
    assert "diar" in loaded
    assert not set(loaded) & set(_HEAVY)
    assert not [name for name in loaded if name.startswith("diar.")]


def test_everything_that_is_offered_is_there() -> None:
    assert set(diar.__all__) <= set(dir(diar))
    for name in diar.__all__:
        assert getattr(diar, name).__doc__, name
    with pytest.raises(AttributeError, match="'diar' has no attribute 'synthesise'"):
        _ = diar.synthesise


def test_the_package_tells_that_it_is_typed() -> None:
    assert (ROOT / "diar" / "py.typed").is_file()
    assert 'package-data.diar = ["py.typed"' in (ROOT / "pyproject.toml").read_text()
