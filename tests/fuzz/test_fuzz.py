"""A few cases of each target, the same ones each time; `bash launch/fuzz.sh` tries others."""

import logging
from pathlib import Path

import pytest

from tests.fuzz.runner import fuzz
from tests.fuzz.targets import make_targets

CASES = 25


def test_no_changed_file_breaks_what_reads_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    findings, cases = [], 0
    for target in make_targets(tmp_path):
        place = tmp_path / "files" / target.name
        place.mkdir(parents=True)
        outcome = fuzz(target, place, CASES, seed=0)
        findings += outcome.findings
        cases += outcome.cases
    assert not findings, "\n".join(findings)
    assert cases > 300
