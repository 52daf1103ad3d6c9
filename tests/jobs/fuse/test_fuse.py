"""`diar fuse`: two extractions become one whose cosines are the weighted mean of theirs."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest
import soundfile as sf
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from diar.cli import main
from diar.jobs.extract.plan import save_plan
from diar.jobs.fuse.join import join_tracks, join_vectors
from diar.store.layout import MIRROR, PACKED, Layout
from diar.store.reader import TracksReader, load_index, read_plan
from diar.store.writer import make_writer
from tests.commands import RATE, detect, detect_here, extract
from tests.detect.observations_sample import (
    METADATA,
    Conversation,
    converse,
    make_tracks,
    make_voices,
    unit,
    write_store,
)
from tests.models.cases import CASES, build

NAMES = ("a/one.wav", "a/two.wav", "b/three.wav")


def talks(voices: np.ndarray) -> dict[str, Conversation]:
    return {name: converse(voices, 25.0, seed=number) for number, name in enumerate(NAMES)}


def extraction(root: Path, voices: np.ndarray, model: str, **more: object) -> Path:
    """Write an extraction of two shards, with the settings that stage 1 would note."""
    metadata = {**METADATA, "model": model, "model_sha256": f"sha of {model}"}
    made = write_store(root, talks(voices), metadata, files_a_shard=2)
    file = Path(Layout(str(made)).config)
    config = json.loads(file.read_text())
    config["settings"] = {"model_sha256": f"sha of {model}", "architecture": model, "step": 5.0, **more}
    file.write_text(json.dumps(config))
    return made


@pytest.fixture
def sources(tmp_path: Path) -> tuple[Path, Path]:
    """Return two extractions of the same talks; in each another pair of three voices is nearly one."""
    first, second = make_voices(3, 1), make_voices(3, 2)
    first[1] = unit(first[0] + 0.2 * first[1])
    second[2] = unit(second[0] + 0.2 * second[2])
    return extraction(tmp_path / "A", first, "alpha"), extraction(tmp_path / "B", second[:, :48], "beta")


def fuse(first: Path, second: Path, output: Path, *options: object) -> int:
    places = ("--first", first, "--second", second, "--output_dir", output)
    return main(["fuse", *map(str, (*places, *options))])


def pack(root: Path) -> None:
    """Write the tracks of an extraction packed, too, and have them read so."""
    layout, index, reader = Layout(str(root)), load_index(str(root)), TracksReader(str(root))
    writer = make_writer(PACKED, layout, index.embedding.shape[1], index.metadata)
    for shard in np.unique(index.shard).tolist():
        rows = []
        for k in np.flatnonzero(index.shard == shard):
            tracks = reader.read(index.recording_id[k], shard).tracks
            rows.append(replace(index.row(k), embedding=index.embedding[k], tracks=len(tracks)))
            writer.write_tracks(shard, rows[-1], tracks)
        writer.write_shard(shard, rows)
    config = Path(layout.config)
    config.write_text(json.dumps({**json.loads(config.read_text()), "layout": PACKED}))


@settings(max_examples=25)
@given(
    seed=st.integers(0, 1000),
    weight=st.floats(0.01, 0.99),
    first=st.integers(1, 30),
    second=st.integers(1, 30),
)
def test_cosines_are_the_weighted_mean(seed: int, weight: float, first: int, second: int) -> None:
    random = np.random.default_rng(seed)
    one, other = unit(random.standard_normal((5, first))), unit(random.standard_normal((5, second)))
    joined = join_vectors(one, other, weight)
    assert np.allclose(joined @ joined.T, weight * one @ one.T + (1 - weight) * other @ other.T, atol=1e-5)


def test_every_embedding_of_the_output_is_of_both(sources: tuple[Path, Path], tmp_path: Path) -> None:
    assert fuse(*sources, tmp_path / "E", "--weight", 0.7) == 0
    index, indexes = load_index(str(tmp_path / "E")), [load_index(str(source)) for source in sources]
    assert index.recording_id == list(NAMES) and index.embedding.shape == (3, 64 + 48)
    assert index.metadata["model"] == "alpha + beta" and index.metadata["embedding_dim"] == "112"
    expected = sum(w * one.embedding @ one.embedding.T for w, one in zip((0.7, 0.3), indexes, strict=True))
    assert np.allclose(index.embedding @ index.embedding.T, expected, atol=1e-5)
    for name in NAMES:
        one, other = (TracksReader(str(source)).read(name).tracks for source in sources)
        tracks = TracksReader(str(tmp_path / "E")).read(name).tracks
        cosines = 0.7 * one.embedding @ one.embedding.T + 0.3 * other.embedding @ other.embedding.T
        assert np.allclose(tracks.embedding @ tracks.embedding.T, cosines, atol=2e-3)  # stored to 12 bits
        assert np.array_equal(tracks.start, one.start) and np.array_equal(tracks.windows, one.windows)
        assert all(np.array_equal(a, b) for a, b in zip(tracks.activity, one.activity, strict=True))


def test_voices_that_either_encoder_confuses_are_told_apart(
    sources: tuple[Path, Path], tmp_path: Path
) -> None:
    assert fuse(*sources, tmp_path / "E") == 0
    counts = []
    for number, embeddings in enumerate((*sources, tmp_path / "E")):
        result = tmp_path / f"R{number}"
        options = ("--task", "turns", "--no_plot", "--no_labels", "--no_quality", "--processes", 1)
        done = detect_here(embeddings, result, *options)
        assert done.returncode == 0, done.stderr
        found = [json.loads(file.read_text()) for file in result.glob("recordings/*/*/turns.json")]
        counts.append({len(one["speakers"]) for one in found})
    assert 2 in counts[0] and 2 in counts[1] and counts[2] == {3}


def test_it_goes_on_where_it_was_interrupted(sources: tuple[Path, Path], tmp_path: Path) -> None:
    layout = Layout(str(tmp_path / "E"))
    assert fuse(*sources, tmp_path / "E") == 0
    whole = load_index(str(tmp_path / "E"))
    Path(layout.shard(1)).unlink()  # as if it had been killed in the second shard
    Path(layout.shard(0)).unlink()
    Path(layout.tracks(NAMES[1])).unlink()
    kept = Path(layout.tracks(NAMES[0]))
    before = kept.stat().st_mtime_ns
    assert fuse(*sources, tmp_path / "E") == 0
    again = load_index(str(tmp_path / "E"))
    assert kept.stat().st_mtime_ns == before and again.recording_id == whole.recording_id
    assert np.array_equal(again.embedding, whole.embedding)


def test_the_output_is_sound_and_its_fingerprint_knows_both(
    sources: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fuse(*sources, tmp_path / "E") == 0
    assert main(["verify", str(tmp_path / "E")]) == 0, capsys.readouterr()
    assert main(["status", str(tmp_path / "E")]) == 0
    prints = {load_index(str(tmp_path / "E")).metadata["fingerprint"]}
    assert fuse(*sources, tmp_path / "F", "--weight", 0.6) == 0
    assert fuse(*reversed(sources), tmp_path / "G") == 0
    prints |= {load_index(str(tmp_path / name)).metadata["fingerprint"] for name in ("F", "G")}
    assert len(prints) == 3
    assert fuse(*sources, tmp_path / "E", "--weight", 0.6) == 2
    assert "another weight" in capsys.readouterr().err


def test_what_is_not_in_both_costs_one_recording(
    sources: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = sources
    Path(Layout(str(second)).tracks(NAMES[1])).unlink()
    assert fuse(first, second, tmp_path / "E") == 3
    told = capsys.readouterr().err
    assert NAMES[1] in told and "left out" in told
    index = load_index(str(tmp_path / "E"))
    assert index.status == ["ok", "unlike", "ok"] and np.isnan(index.embedding[1]).all()
    one = make_tracks(talks(make_voices(3, 1))[NAMES[0]])
    with pytest.raises(ValueError, match="tracks in the first"):
        join_tracks(one, one.take(np.arange(len(one)) > 0), 0.5)
    other = make_tracks(talks(make_voices(3, 1))[NAMES[2]])
    rows = np.arange(min(len(one), len(other)))
    with pytest.raises(ValueError, match="of track"):
        join_tracks(
            one.take(np.isin(np.arange(len(one)), rows)),
            other.take(np.isin(np.arange(len(other)), rows)),
            0.5,
        )


@pytest.mark.parametrize("arrangement", [MIRROR, PACKED])
def test_what_could_not_be_joined_is_told_and_tried_again(
    sources: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], arrangement: str
) -> None:
    first, second = sources
    if arrangement == PACKED:
        pack(first)
    tracks = Path(Layout(str(second)).tracks(NAMES[1]))
    hidden = tracks.rename(tmp_path / "hidden")
    for _ in range(2):
        assert fuse(first, second, tmp_path / "E") == 3
        assert f"{NAMES[1]} is left out" in capsys.readouterr().err
    hidden.rename(tracks)
    assert fuse(first, second, tmp_path / "E") == 0
    assert load_index(str(tmp_path / "E")).status == ["ok", "ok", "ok"]
    assert len(TracksReader(str(tmp_path / "E")).read(NAMES[1]).tracks)
    assert main(["verify", str(tmp_path / "E")]) == 0


def test_what_only_the_second_has_is_told(
    sources: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layout = Layout(str(sources[0]))
    plan = read_plan(layout)
    save_plan(layout, plan.filter(pc.not_equal(plan["recording_id"], NAMES[2])))
    for _ in range(2):
        assert fuse(*sources, tmp_path / "E") == 3
        assert f"{NAMES[2]} is left out: {sources[0]} has no such recording" in capsys.readouterr().err
    assert load_index(str(tmp_path / "E")).recording_id == list(NAMES[:2])


def test_extractions_that_do_not_belong_together_are_refused(
    sources: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = sources
    coarse = extraction(tmp_path / "C", make_voices(3, 5), "gamma", step=2.5)
    unfinished = tmp_path / "D" / "E"
    shutil.copytree(second, unfinished)
    Path(Layout(str(unfinished)).shard(1)).unlink()
    for pair, told in (
        ((first, coarse), "step is 5.0 and 2.5"),
        ((first, first), "of one encoder"),
        ((first, unfinished), "has not finished"),
        ((first, tmp_path / "none"), "does not exist"),
    ):
        assert fuse(*pair, tmp_path / "out") == 2
        assert told in capsys.readouterr().err
        assert not Path(Layout(str(tmp_path / "out")).config).exists()
    assert fuse(first, second, first / "inside") == 2


@pytest.mark.slow
def test_encoders_of_different_strides_hear_the_same_tracks(
    segmentation_dir: Path, conversation: np.ndarray, tmp_path: Path
) -> None:
    """Two networks with random weights, of which one keeps the frame rate and the other has an eighth."""
    (tmp_path / "archive").mkdir()
    for name, seconds in (("a.wav", 2.77), ("b.wav", 21.3)):
        samples = conversation[5 * RATE : 5 * RATE + round(seconds * RATE)]
        sf.write(tmp_path / "archive" / name, samples, RATE, subtype="PCM_16")
    for case in ("ReDimNetB0", "ResNet18"):
        architecture, model_args = CASES[case]
        front_end = {"fbank_args": {"num_mel_bins": model_args["feat_dim"]}}
        config = {"model": architecture, "model_args": model_args, "dataset_args": front_end}
        (tmp_path / case).mkdir()
        (tmp_path / case / "config.yaml").write_text(yaml.safe_dump(config))
        torch.save(build(case).state_dict(), tmp_path / case / "avg_model.pt")
        models = ("--model_dir", tmp_path / case, "--segmentation", segmentation_dir, "--workers", 1)
        done = extract(tmp_path / "archive", tmp_path / f"E-{case}", *models, "--precision", "fp32")
        assert done.returncode == 0, done.stderr
    assert fuse(tmp_path / "E-ReDimNetB0", tmp_path / "E-ResNet18", tmp_path / "E") == 0
    index = load_index(str(tmp_path / "E"))
    assert index.status == ["ok", "ok"] and len(TracksReader(str(tmp_path / "E")).read("b.wav").tracks) > 20
    assert main(["verify", str(tmp_path / "E")]) == 0
    done = detect(tmp_path / "E", tmp_path / "R", "--task", "turns", "--processes", 1)
    assert done.returncode == 0, done.stderr
