"""Recordings that are left out are told, or counted."""

import pytest

from diar.jobs.left_out import tell_left_out


def test_three_are_told_and_the_others_counted(capsys: pytest.CaptureFixture[str]) -> None:
    tell_left_out({f"{number}.wav": "no speech" for number in range(5)}, "{name}: {reason}; missed")
    assert capsys.readouterr().err.splitlines() == [
        *(f"warning: {number}.wav: no speech; missed" for number in range(3)),
        "  … and 2 more",
    ]
    tell_left_out({"a.wav": "no {speech}"})
    assert capsys.readouterr().err == "warning: a.wav is left out: no {speech}\n"
