"""What makes two extractions one."""

from dataclasses import replace
from pathlib import Path

from diar.embedding.networks import Models
from diar.jobs.extract.config import ExtractConfig
from diar.jobs.extract.prepare import Identity
from diar.models.encoders.wespeaker import SpeakerModel, open_model_dir
from tests.models.encoders.w2vbert import cases


def identity(encoder: SpeakerModel) -> Identity:
    config = ExtractConfig(input_dir="a", output_dir="b", segmentation="none", precision="fp32")
    return Identity.of(config, Models(encoder, None))


def test_what_only_an_encoders_configuration_tells_is_part_of_the_fingerprint(tmp_path: Path) -> None:
    cases.write(tmp_path, "w2vbert-lora")
    before = open_model_dir(tmp_path)
    assert identity(before).fingerprint == identity(open_model_dir(tmp_path)).fingerprint
    file = tmp_path / "config.yaml"
    file.write_text(file.read_text().replace("lora_alpha: 12", "lora_alpha: 13"))
    after = open_model_dir(tmp_path)
    assert after.sha256 == before.sha256
    assert identity(after).fingerprint != identity(before).fingerprint
    assert identity(after).settings["encoder_lora"]["alpha"] == 13


def test_other_encoders_have_the_fingerprints_that_they_had(campplus_dir: Path) -> None:
    """What their configurations tell is the front end, and shows in the shapes of the weights."""
    found = identity(open_model_dir(campplus_dir))
    assert not any(name.startswith("encoder_") for name in found.settings)
    told = replace(open_model_dir(campplus_dir), described={"heads": 4})
    assert identity(told).fingerprint != found.fingerprint
