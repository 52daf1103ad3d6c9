"""What docs/operations.md shows of the commands' output is what they print."""

import pytest

from diar.cli import main
from tests.commands import ROOT


def test_the_plan_is_what_diar_plan_prints(capsys: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    command, _, below = text.partition("diar plan --rtf ")[2].partition("  ")
    shown = below.partition("\n```\n")[2].partition("```\n")[2].partition("```")[0]
    assert main(["plan", "--rtf", *command.split()]) == 0
    assert shown == capsys.readouterr().out
