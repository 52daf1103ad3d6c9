"""Terms of weights that not everybody may use are told once a user, and none of others."""

import warnings
from pathlib import Path

import pytest

import diar
from diar.errors import DiarError
from diar.models.open import open_segmentation
from diar.models.weights.registering import find_model
from diar.models.weights.terms import untold_terms
from diar.online.models import LiveModels


def test_a_registered_model_has_all_its_files(tiny_wavlm_dir: Path) -> None:
    found = find_model(str(tiny_wavlm_dir), "CC BY-NC 4.0")
    assert (found.option, found.licence) == ("segmentation", "CC BY-NC 4.0")
    assert set(found.files) == {"config.toml", "pruned_config.json", "pytorch_model.bin"}


def test_a_registered_sortformer_has_all_its_files(tiny_sortformer_dir: Path) -> None:
    found = find_model(str(tiny_sortformer_dir), "OpenMDW 1.1")
    assert found.option == "segmentation"
    assert set(found.files) == {"config.json", "processor_config.json", "model.safetensors"}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DIAR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_they_are_told_once(cache: Path, tiny_wavlm_dir: Path) -> None:
    model = open_segmentation(str(tiny_wavlm_dir))
    told = untold_terms(model)
    assert told is not None and "CC BY-NC 4.0" in told and str(tiny_wavlm_dir) in told
    assert untold_terms(model) is None
    assert [path.name for path in (cache / "terms-told").iterdir()] == [model.sha256]
    assert untold_terms(None) is None


def test_they_are_told_each_time_where_that_cannot_be_noted(cache: Path, tiny_wavlm_dir: Path) -> None:
    cache.write_text("no folder")
    model = open_segmentation(str(tiny_wavlm_dir))
    assert [untold_terms(model) for _ in range(2)] == [f"{tiny_wavlm_dir}: {model.terms}"] * 2


def test_callers_of_the_library_are_warned_once(cache: Path, tiny_wavlm_dir: Path) -> None:
    with pytest.warns(UserWarning, match=r"licence: .*CC BY-NC 4\.0"):
        opened = diar.open_segmentation(str(tiny_wavlm_dir))
    assert opened.settings.speech == "segmentation"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        diar.open_segmentation(str(tiny_wavlm_dir))


@pytest.mark.parametrize("fixture", ["tiny_wavlm_dir", "tiny_sortformer_dir"])
def test_live_streams_refuse_it_before_anything_is_heard(
    fixture: str, request: pytest.FixtureRequest, tiny_model_dir: Path
) -> None:
    folder = request.getfixturevalue(fixture)
    with pytest.raises(DiarError, match=r"`segmentation=.*cannot hear live.*segmentation-3\.0"):
        LiveModels.open(str(tiny_model_dir), str(folder), device="cpu")


def test_weights_that_everybody_may_use_have_none_to_tell(cache: Path, tiny_sortformer_dir: Path) -> None:
    """OpenMDW, which the weights of Nemotron 3 Diarization are under, keeps nobody from anything."""
    assert untold_terms(open_segmentation(str(tiny_sortformer_dir))) is None
    assert not (cache / "terms-told").exists()
