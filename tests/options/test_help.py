"""What `--help` says of options: switches that are on, and numbers that a preset gives."""

import re

import pytest

from diar.cli import main
from diar.detect.presets import PRESETS, preset_values
from diar.jobs.cost.config import PlanConfig
from diar.jobs.detect.command import main as detect
from diar.jobs.detect.config import DetectConfig
from diar.jobs.extract.config import ExtractConfig
from diar.options.base import describe_option, options_of


def shown(*arguments: str, capsys: pytest.CaptureFixture[str]) -> str:
    """The help with single spaces, so that lines may be cut anywhere."""
    with pytest.raises(SystemExit):
        main([*arguments, "--help"])
    return " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("config", [ExtractConfig, DetectConfig, PlanConfig])
def test_a_switch_that_is_on_says_what_leaving_it_does(config: type) -> None:
    for name, field in options_of(config).items():
        if field.default is True:
            assert re.match(r"(turns: )?(do|draw|write|look|leave) no", describe_option(field)["off"]), name


def test_no_x_reads_right(capsys: pytest.CaptureFixture[str]) -> None:
    told = shown("detect", capsys=capsys)
    assert "--no_plot draw no pictures: neither" in told
    assert "--no_labels turns: write no Audacity labels and no Praat TextGrid" in told
    assert "switch off" not in told


def test_thresholds_show_their_number_in_each_preset(capsys: pytest.CaptureFixture[str]) -> None:
    told = shown("detect", capsys=capsys)
    assert "--onset X expected number of voices at which speech begins [general 0.4, telephone 0.3]" in told
    assert "--min_duration_on X seconds; shorter turns are dropped [0.1]" in told
    assert "numbers of --preset: general telephone --onset 0.4 0.3 --offset 0.4 0.3" in told


def test_the_table_of_presets_is_theirs() -> None:
    values = preset_values()
    assert values.keys() == PRESETS.keys()
    for name, preset in PRESETS.items():
        assert values[name]["offset"] == preset.reconstruction.offset
        assert values[name]["smoothing"] == 1000 * preset.reconstruction.smoothing
        assert values[name]["min_duration_off"] == preset.turns.min_duration_off
        assert values[name].keys() <= DetectConfig.model_fields.keys(), "an option overrides each"


def test_values_are_asked_for_in_plain_words(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--onset", "2", "--processes", "x", "--min_segment", "1.5", "--task", "tunrs"]
    assert detect(["--embeddings_dir", "E", "--output_dir", "R", *options]) == 2
    assert capsys.readouterr().err == (
        "error: --task 'tunrs' (from flag): 'files', 'turns' or 'all' is needed; did you mean turns?\n"
        "--min_segment '1.5' (from flag): a whole number is needed\n"
        "--onset '2' (from flag): less than 1 is needed\n"
        "--processes 'x' (from flag): a whole number is needed\n"
    )
