from pathlib import Path

import pytest

from diar.jobs.detect.config import DetectConfig
from diar.jobs.extract.config import ExtractConfig
from diar.options.arguments import parse_arguments
from diar.options.base import ConfigError


def extract(*arguments: str, environment: dict[str, str] | None = None) -> ExtractConfig:
    return parse_arguments(
        ExtractConfig, arguments, prog="extract", description="", environment=environment or {}
    )


def detect(*arguments: str) -> DetectConfig:
    return parse_arguments(DetectConfig, arguments, prog="detect", description="", environment={})


NEEDED = ("--input_dir", "A", "--output_dir", "E")


def test_underscore_and_dash_spellings_are_the_same() -> None:
    assert extract(*NEEDED, "--batch_seconds", "9") == extract(
        "--input-dir=A", "--output-dir", "E", "--batch-seconds=9"
    )


def test_a_value_may_hold_dashes() -> None:
    assert extract("--input-dir=my-archive-x", "--output_dir", "E").input_dir == "my-archive-x"


def test_flag_over_environment_over_yaml_over_default(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("hop: 0.5\nwindow: 2.0\nchunk: 20\noutput-dir: fromyaml\n")
    environment = {"DIAR_EXTRACT_HOP": "0.6", "DIAR_EXTRACT_WINDOW": "2.5"}
    config = extract("--config", str(file), "--input_dir", "A", "--window", "3", environment=environment)
    assert (config.window, config.hop, config.chunk) == (3.0, 0.6, 20.0)
    assert (config.output_dir, config.min_duration) == ("fromyaml", 0.2)


def test_gpus_and_segment_size_and_negated_flags() -> None:
    assert extract(*NEEDED, "--gpus", "0,2").gpus == (0, 2)
    config = detect("--embeddings_dir", "E", "--output_dir", "R", "--segment_size", "1000", "--no_link")
    assert (config.segment_size, config.link, config.plot) == (1000, False, True)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--input_dir", "A"), "--output_dir is required"),
        ((*NEEDED, "--window", "abc"), "--window 'abc' (from flag)"),
        ((*NEEDED, "--workers", "0"), "--workers '0'"),
        ((*NEEDED, "--channel", "left"), "--channel 'left'"),
        ((*NEEDED, "--hop", "3"), "hop (3.0 s) must not exceed window"),
        ((*NEEDED, "--model", "a", "--model_dir", "b"), "not both"),
        ((*NEEDED, "--gpus", "0,0"), "each once"),
        ((*NEEDED, "--gpus", "0", "--device", "cpu"), "contradicts"),
        ((*NEEDED, "--device", "tpu"), "--device 'tpu'"),
    ],
)
def test_a_bad_value_is_named(arguments: tuple[str, ...], named: str) -> None:
    with pytest.raises(ConfigError) as caught:
        extract(*arguments)
    assert named in str(caught.value)


@pytest.mark.parametrize("value", ["0", "-3", "1.5", "many", ""])
def test_segment_size_is_auto_or_a_positive_number(value: str) -> None:
    with pytest.raises(ConfigError, match="segment_size"):
        detect("--embeddings_dir", "E", "--output_dir", "R", "--segment_size", value)


def test_unknown_keys_are_named_wherever_they_come_from(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("widnow: 2\n")
    with pytest.raises(ConfigError, match="widnow"):
        extract(*NEEDED, "--config", str(file))
    with pytest.raises(ConfigError, match="DIAR_EXTRACT_WIDNOW"):
        extract(*NEEDED, environment={"DIAR_EXTRACT_WIDNOW": "2"})
    with pytest.raises(ConfigError, match="there is no option --widnow; did you mean --window"):
        extract(*NEEDED, "--widnow", "2")


@pytest.mark.parametrize("content", ["- a\n- b\n", "a: [1\n", "\x80"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "run.yaml"
    file.write_bytes(content.encode("latin-1"))
    with pytest.raises(ConfigError, match=r"run\.yaml"):
        extract(*NEEDED, "--config", str(file))


def test_a_missing_yaml_file_is_refused() -> None:
    with pytest.raises(ConfigError, match="No such file"):
        extract(*NEEDED, "--config", "nowhere.yaml")


def test_the_result_options_are_those_that_change_numbers() -> None:
    assert ExtractConfig.result_fields() == [
        "channel",
        "track",
        "min_duration",
        "speech",
        "step",
        "silence_margin",
        "window",
        "hop",
        "chunk",
        "precision",
    ]
