"""Options to settings: a preset, what overrides it, and every number in the result."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from diar.detect.clustering.plda import Plda, write_npz
from diar.detect.clustering.speaker_count import SpeakerCount
from diar.detect.presets import PRESETS
from diar.detect.thresholds import thresholds
from diar.errors import DiarError
from diar.jobs.detect.config import DetectConfig
from diar.jobs.detect.settings import asked_speakers, diarize_settings, preset


def config(**options: object) -> DetectConfig:
    return DetectConfig(**{"embeddings_dir": "E", "output_dir": "R", "task": "turns", **options})


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_as_it_stands_unless_an_option_overrides_it(name: str) -> None:
    assert preset(config(preset=name), name) == PRESETS[name]
    found = preset(
        config(onset=0.9, offset=0.1, overlap=1.9, smoothing=250, min_duration_on=0, min_duration_off=2), name
    )
    assert asdict(found.turns) == {"min_duration_off": 2, "min_duration_on": 0}
    assert (found.reconstruction.onset, found.reconstruction.offset) == (0.9, 0.1)
    assert (found.reconstruction.overlap, found.reconstruction.smoothing) == (1.9, 0.25)
    assert found.reconstruction.overlap_prior == 0, "a threshold that is given is taken as it stands"
    assert preset(config(min_duration_on=3), name).turns.min_duration_on == 3
    assert preset(config(resegmentation="viterbi"), name).reconstruction.change_probability


def test_auto_takes_the_preset_that_suits_the_band() -> None:
    chosen = diarize_settings(config())
    assert (chosen.preset, chosen.narrow_preset) == (PRESETS["general"], PRESETS["telephone"])
    assert thresholds(chosen)["narrow_band_onset"] < thresholds(chosen)["onset"]
    fixed = diarize_settings(config(preset="telephone"))
    assert fixed.preset == fixed.narrow_preset == PRESETS["telephone"]


def test_a_lower_onset_takes_the_offset_with_it_but_a_given_one_must_fit() -> None:
    found = preset(config(onset=0.05), "general").reconstruction
    assert found.offset == found.onset == 0.05
    with pytest.raises(DiarError, match=r"--offset 0\.8 is above the onset of 0\.6"):
        preset(config(onset=0.6, offset=0.8), "general")
    with pytest.raises(DiarError, match=r"--offset 0\.99 .* of the preset general"):
        preset(config(offset=0.99), "general")


def test_an_offset_need_not_fit_the_preset_that_nobody_asked_for() -> None:
    """Where the band decides, it is lowered to telephone's onset for recordings by telephone."""
    found = diarize_settings(config(offset=0.35))
    assert (found.preset.reconstruction.onset, found.preset.reconstruction.offset) == (0.4, 0.35)
    narrow = found.narrow_preset.reconstruction
    assert narrow.onset == narrow.offset == PRESETS["telephone"].reconstruction.onset < 0.35
    with pytest.raises(DiarError, match=r"onset of 0\.3 of the preset telephone"):
        diarize_settings(config(offset=0.35, preset="telephone"))
    with pytest.raises(DiarError, match=r"onset of 0\.4 of the preset general"):
        diarize_settings(config(offset=0.45))


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ({}, SpeakerCount(1, None)),
        ({"num_speakers": 3}, SpeakerCount(3, 3)),
        ({"min_speakers": 2}, SpeakerCount(2, None)),
        ({"max_speakers": 4}, SpeakerCount(1, 4)),
    ],
)
def test_bounds_on_speakers(options: dict, count: SpeakerCount) -> None:
    assert asked_speakers(config(**options)).bounds == count


@pytest.mark.parametrize(
    ("options", "exactly", "source"),
    [
        ({}, 3, "manifest"),
        ({"num_speakers": 2}, 2, "--num_speakers"),
        ({"num_speakers": "auto"}, None, ""),
        ({"min_speakers": 2, "max_speakers": 3}, 3, "manifest"),
        ({"max_speakers": 2}, None, ""),
        ({"min_speakers": 4}, None, ""),
    ],
)
def test_who_says_how_many_speakers(options: dict, exactly: int | None, source: str) -> None:
    asked = asked_speakers(config(**options), listed=3)
    assert (asked.exactly, asked.source) == (exactly, source)
    if exactly is None:
        assert asked.bounds == asked_speakers(config(**options)).bounds
        assert ("num_speakers 3 of the manifest is not used" in asked.warning) == (
            "auto" not in options.values()
        )
    else:
        assert asked.bounds == SpeakerCount(exactly, exactly)


@pytest.mark.parametrize(
    ("options", "listed", "found", "told"),
    [
        ({"num_speakers": 3}, None, 2, "2 speakers found, 3 asked for (--num_speakers)"),
        ({"num_speakers": 3}, None, 3, ""),
        ({}, 3, 1, "1 speaker found, 3 asked for (manifest)"),
        ({"min_speakers": 2}, None, 1, "1 speaker found, at least 2 asked for (--min_speakers)"),
        ({}, None, 1, ""),
        ({"num_speakers": 1}, None, 2, "2 speakers found, 1 asked for (--num_speakers)"),
        ({"max_speakers": 1}, None, 2, "2 speakers found, at most 1 asked for (--max_speakers)"),
        ({"max_speakers": 2}, None, 2, ""),
    ],
)
def test_other_numbers_of_speakers_than_asked_for_are_told(
    options: dict, listed: int | None, found: int, told: str
) -> None:
    assert asked_speakers(config(**options), listed).unmet(found) == told


@pytest.mark.parametrize("value", ["two", 0, "2.5", -1, True])
def test_a_speaker_count_is_a_number_or_auto(value: object) -> None:
    with pytest.raises(ValueError, match="'auto' or a number of speakers"):
        config(num_speakers=value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_speakers": 2, "max_speakers": 3}, "not both"),
        ({"min_speakers": 4, "max_speakers": 3}, "exceeds"),
        ({"known_speakers": "K", "link": False}, "no_link"),
        ({"clustering": "vbx"}, "--plda"),
        ({"plda_transform": "T"}, "--plda_transform has no effect without --plda"),
        ({"clustering": "ahc", "clustering_threshold": 0.5}, "no effect with --clustering ahc"),
        ({"link": False, "link_threshold": 0.5}, "--link_threshold has no effect with --no_link"),
        ({"link": False, "link_probability": 0.6}, "--link_probability has no effect with --no_link"),
        ({"task": "files", "use_gmm": True}, "--use_gmm has no effect without --segment_size"),
        ({"task": "all", "boundary_window": 3}, "--boundary_window has no effect without --segment_size"),
        (
            {"task": "files", "segment_size": 20, "gmm_components": 5},
            "--gmm_components has no effect without --use_gmm",
        ),
    ],
)
def test_options_that_contradict_each_other(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        config(**options)


def test_a_file_of_both_tasks_may_hold_what_the_other_one_reads() -> None:
    assert config(task="turns", boundary_window=3).boundary_window == 3
    assert (
        config(task="files", link=False, link_threshold=0.5).link_threshold == 0.5
    )  # judges boundaries, too
    assert config(task="files", link=False, link_probability=0.6).link_probability == 0.6


@pytest.mark.parametrize("method", ["auto", "ahc", "spectral", "vbx"])
def test_every_number_of_the_clusterer_is_told(method: str, tmp_path: Path) -> None:
    plda = Plda(np.zeros(4), np.eye(4), np.ones(4), "unit")
    write_npz(tmp_path / "plda.npz", plda)
    options = {"plda": str(tmp_path / "plda.npz")} if method == "vbx" else {}
    settings = diarize_settings(config(clustering=method, **options))
    told = thresholds(settings)
    assert told["onset"] == settings.preset.reconstruction.onset
    assert told["min_duration_on"] == settings.preset.turns.min_duration_on
    own = {name.removeprefix("clustering_") for name in told if name.startswith("clustering_")}
    expected = {
        "auto": {*asdict(settings.clustering.iterative), "two_voices_cosine"} - {"two_voices"},
        "ahc": {"threshold", "least_seconds"},
        "spectral": {"least_seconds"},
        "vbx": {"fa", "fb", "loop_probability"},
    }
    assert own >= expected[method]
    assert ("start_threshold" in own) == (method == "auto"), "no number of another clusterer"
