"""Options of `--pipeline` that need no network."""

import pytest
from pydantic import ValidationError

from diar.errors import DiarError
from diar.jobs.detect.config import DetectConfig
from diar.jobs.detect.settings import diarize_settings
from diar.jobs.extract.config import ExtractConfig
from diar.jobs.extract.networks.choices import options_without_effect


def config(**options: object) -> ExtractConfig:
    return ExtractConfig(input_dir="a", output_dir="b", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "campplus-zh-en"}, "--pipeline brings its own networks: leave --model out"),
        ({"model_dir": "m", "segmentation": "none"}, "leave --model_dir, --segmentation out"),
        ({"backend": "onnx"}, "--backend onnx has no pipelines"),
    ],
)
def test_a_pipeline_brings_its_own_networks(options: dict[str, str], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        config(pipeline="community-1", **options)


def test_options_that_a_pipeline_makes_void_are_told() -> None:
    told = options_without_effect(config(pipeline="community-1", step=2.0, speech="both"))
    assert sorted(told) == [
        "--speech both has no effect with --pipeline_sees seg_windows",
        "--step 2.0 has no effect with --pipeline_sees seg_windows",
    ]
    assert not options_without_effect(config(pipeline="c", pipeline_sees="chunks", step=2.0))
    (told_alone,) = options_without_effect(config(pipeline_sees="chunks"))
    assert told_alone == "--pipeline_sees chunks has no effect without --pipeline"


def test_extractions_of_other_networks_have_no_pipeline() -> None:
    asked = DetectConfig(embeddings_dir="a", output_dir="b", task="turns", clustering="pipeline")
    with pytest.raises(DiarError, match="`clustering=pipeline`: a was made with other networks"):
        diarize_settings(asked)
