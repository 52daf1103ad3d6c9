"""Options of `diar stream` that would do nothing are refused, not passed over."""

import pytest

from diar.cli import main
from diar.errors import EXIT_ERROR

REFERENCES = ("work", "references", "--output_dir", "out")


@pytest.mark.parametrize(
    ("arguments", "void"),
    [
        (("work", "audio", "--output_dir", "out"), "--output_dir"),
        (("work", "audio", "--asr", "whisper-tiny.en"), "--asr"),
        ((*REFERENCES, "--hop", "0.25"), "--hop"),
        ((*REFERENCES, "--delivery", "at_least_once", "--worker", "a"), "--worker"),
        (("produce", "calls", "--stream", "kitchen"), "--stream"),
        (("produce", "calls", "--language", "en"), "--language"),
        (("produce", "a.wav", "--live", "--words"), "--words"),
        (("produce", "a.wav", "--live", "--num_speakers", "2"), "--num_speakers"),
        (("produce", "a.wav", "--live", "--sample_rate", "8000"), "--sample_rate"),
        (("produce", "-", "--live", "--pace", "2"), "--pace"),
    ],
)
def test_options_without_effect_are_refused(
    arguments: tuple[str, ...], void: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["stream", *arguments]) == EXIT_ERROR
    assert f"{void} has no effect with" in capsys.readouterr().err
