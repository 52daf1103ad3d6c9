"""A sweep by the real command over made-up conversations; it needs no MLflow."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from diar.cli import main
from diar.formats.rttm import format_rttm
from diar.jobs.sweep.space import Axis, Space, SweepError, parse_axis, varying_options
from tests.commands import detect_here
from tests.detect import observations_sample
from tests.detect.observations_sample import Conversation, converse, make_tracks, make_voices, write_store
from tests.detect.test_sides import joined

VOICES = make_voices(4, 11)
PLACES = {"embeddings_dir": "E", "output_dir": "S"}
VARY = ("--vary", "min_duration_on=0.1,1,4", "overlap=default,3")


def talks() -> dict[str, Conversation]:
    return {
        "day 1/a.wav": converse(VOICES[[0, 1]], 60.0, overlap=0.4, seed=1),
        "day 2/b.wav": converse(VOICES[[2, 3]], 40.0, overlap=0.4, seed=2),
    }


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sweep")
    write_store(folder, talks())
    truth = "".join(format_rttm(talk.rttm(Path(name).stem)) for name, talk in talks().items())
    (folder / "truth.rttm").write_text(truth)
    return folder


def sweep(root: Path, output: Path, *options: object, reference: str = "truth.rttm") -> int:
    places = ("--embeddings_dir", root / "E", "--reference", root / reference, "--output_dir", output)
    return main(["sweep", *map(str, (*places, "--processes", 1, *options))])


def table(output: Path) -> list[dict[str, str]]:
    with (output / "sweep.csv").open() as file:
        return list(csv.DictReader(file))


def der(root: Path, result: Path, capsys: pytest.CaptureFixture[str]) -> float:
    capsys.readouterr()
    assert main(["score", "der", str(root / "truth.rttm"), str(result), "--json"]) == 0
    return float(json.loads(capsys.readouterr().out)["pooled"]["der"])


def test_trials_are_what_detect_would_find(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "S"
    assert sweep(root, output, *VARY) == 0
    told, rows = capsys.readouterr().out, table(output)
    assert len(rows) == 1 + 3 * 2 and "note: " in told
    assert [float(row["der"]) for row in rows] == sorted(float(row["der"]) for row in rows)
    best = yaml.safe_load((output / "best.yaml").read_text())
    assert best["task"] == "turns" and f"detect --config {output / 'best.yaml'}" in told
    plain = next(row for row in rows if not row["overlap"] and not row["min_duration_on"])
    for name, options, row in (
        ("best", ("--config", output / "best.yaml"), rows[0]),
        ("plain", ("--task", "turns"), plain),
    ):
        done = detect_here(root / "E", tmp_path / name, *options, "--no_plot", "--no_labels")
        assert done.returncode == 0, done.stderr
        assert der(root, tmp_path / name, capsys) == pytest.approx(float(row["der"]), abs=1e-6)


def test_trials_count_the_people_of_all_channels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A side that is clustered twice in a trial, freely and within bounds, is not the same twice."""
    sides = [converse(VOICES[:2], 60.0, seed=1), converse(VOICES[2:], 60.0, seed=2)]
    tracks = joined([make_tracks(side) for side in sides])
    monkeypatch.setattr(observations_sample, "make_tracks", lambda *_, **__: tracks)
    write_store(tmp_path, {"call.wav": sides[0]})
    turns = [
        replace(turn, speaker=f"{turn.speaker} on {channel}")
        for channel, side in enumerate(sides)
        for turn in side.rttm("call")
    ]
    (tmp_path / "truth.rttm").write_text(format_rttm(turns))
    assert sweep(tmp_path, tmp_path / "S", "--vary", "num_speakers=default,2") == 0
    found = {row["num_speakers"]: float(row["der"]) for row in table(tmp_path / "S")}
    for asked, options in (("", ()), ("2", ("--num_speakers", 2))):
        done = detect_here(tmp_path / "E", tmp_path / f"R{asked}", "--task", "turns", *options, "--no_plot")
        assert done.returncode == 0, done.stderr
        assert der(tmp_path, tmp_path / f"R{asked}", capsys) == pytest.approx(found[asked], abs=1e-6)
    assert found["2"] > found[""] + 0.1


def test_a_uem_decides_what_counts_as_in_a_score(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A recording that the UEM names and the reference does not holds false alarms only."""
    reference = [line for line in (root / "truth.rttm").read_text().splitlines() if " a " in line]
    (tmp_path / "truth.rttm").write_text("\n".join(reference) + "\n")
    (tmp_path / "x.uem").write_text("a 1 0 30\nb 1 0 20\n")
    uem = ("--uem", tmp_path / "x.uem")
    assert (
        sweep(root, tmp_path / "S", "--vary", "onset=0.5", *uem, reference=str(tmp_path / "truth.rttm")) == 0
    )
    plain = next(row for row in table(tmp_path / "S") if not row["onset"])
    assert (
        detect_here(root / "E", tmp_path / "R", "--task", "turns", "--no_plot", "--no_labels").returncode == 0
    )
    capsys.readouterr()
    assert (
        main(["score", "der", str(tmp_path / "truth.rttm"), str(tmp_path / "R"), *map(str, uem), "--json"])
        == 0
    )
    pooled = json.loads(capsys.readouterr().out)["pooled"]
    assert float(plain["der"]) == pytest.approx(pooled["der"], abs=1e-6) and pooled["der"] > 0.3


def test_a_sweep_goes_on_where_it_was(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "S"
    assert sweep(root, output, "--vary", "onset=0.3,0.5") == 0
    amounts = output / "amounts.jsonl"
    first, second = amounts.read_text().splitlines(keepends=True)
    amounts.write_text(first + second[: len(second) // 2])  # killed while it wrote
    assert sweep(root, output, "--vary", "onset=0.3,0.5,0.6") == 0
    kept, *added = map(json.loads, amounts.read_text().splitlines())
    assert kept == json.loads(first)
    new = {line["recording"]: len(line["trials"]) for line in added}
    assert new == {json.loads(first)["recording"]: 1, json.loads(second)["recording"]: 4}
    capsys.readouterr()
    assert sweep(root, output, "--vary", "onset=0.3", "--collar", 0.25) == 2
    assert "--output_dir" in (told := capsys.readouterr().err) and "collar: 0.0 there, 0.25 now" in told
    assert sweep(root, output, "--vary", "onset=0.3", "--collar", 0.25, "--overwrite", "--metric", "jer") == 0
    assert len(table(output)) == 2


def test_what_has_no_tracks_is_missed_and_told(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = (root / "truth.rttm").read_text() + "SPEAKER lost 1 0 9 <NA> <NA> x <NA> <NA>\n"
    (root / "more.rttm").write_text(more)
    assert sweep(root, tmp_path / "S", "--vary", "onset=0.4", reference="more.rttm") == 3
    told = capsys.readouterr()
    assert "warning: lost: stage 1 has no tracks of it; its speech counts as missed" in told.err
    assert float(table(tmp_path / "S")[0]["miss"]) > 0.05


def test_the_edge_of_a_grid_is_told(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vary = ("--vary", "min_duration_on=2,3,4", "smoothing=0,1")
    assert sweep(root, tmp_path / "S", *vary, "--detect_config", root / "base.yaml") == 2
    assert "base.yaml" in capsys.readouterr().err
    (root / "base.yaml").write_text("task: turns\nmin_duration_on: 5\n")
    assert sweep(root, tmp_path / "S", *vary, "--detect_config", root / "base.yaml") == 0
    told = capsys.readouterr().out
    assert "note: the best min_duration_on, 2, is the lowest that was tried: try lower ones" in told
    assert "best smoothing" not in told
    assert yaml.safe_load((tmp_path / "S" / "best.yaml").read_text())["min_duration_on"] == 2


def test_models_that_also_link_may_vary() -> None:
    assert {"plda", "plda_transform", "clustering"} <= set(varying_options())
    assert not {"score_norm", "link_threshold", "exclusive"} & set(varying_options())


def test_values_are_parsed() -> None:
    assert parse_axis("onset=0.2:0.4:0.1") == Axis("onset", (0.2, 0.3, 0.4))
    assert parse_axis("onset=0.2:0.4") == Axis("onset", (), 0.2, 0.4)
    assert list(map(str, parse_axis("num_speakers=1:3:1").values)) == ["1", "2", "3"]
    drawn = Space([parse_axis("max_speakers=1:4")], PLACES).drawn(4, seed=0)
    assert {str(trial) for trial in drawn} == {"default", *(f"max_speakers={n}" for n in range(1, 5))}
    assert parse_axis("num-speakers=2,auto,default") == Axis("num_speakers", (2, "auto", "default"))
    for text, said in (
        ("onst=0.3", "did you mean onset"),
        ("exclusive=true", "no option that decides the turns"),
        ("onset=", "values are missing"),
        ("onset=0.4:0.2", "are numbers, LOW below HIGH"),
        ("num_speakers=1.5:3", "are whole numbers, LOW below HIGH"),
    ):
        with pytest.raises(SweepError, match=said):
            parse_axis(text)
    with pytest.raises(SweepError, match="onset=7"):
        Space([parse_axis("onset=0.3,7")], PLACES)


def test_contradictions_are_left_out() -> None:
    space = Space([parse_axis("onset=0.3,0.5"), parse_axis("offset=0.2,0.4")], PLACES)
    trials = space.grid()
    assert [str(trial) for trial in trials] == [
        "default", "onset=0.3 offset=0.2", "onset=0.5 offset=0.2", "onset=0.5 offset=0.4",
    ]  # fmt: skip
    assert space.contradictions == 1
    drawn = Space([parse_axis("onset=0.2:0.6"), parse_axis("offset=0.2:0.6")], PLACES)
    keys = [trial.key for trial in drawn.drawn(20, seed=0)]
    assert len(set(keys)) == 21
    again = Space([parse_axis("onset=0.2:0.6"), parse_axis("offset=0.2:0.6")], PLACES)
    assert keys == [trial.key for trial in again.drawn(20, seed=0)]
    with pytest.raises(SweepError, match="a grid needs one"):
        again.grid()
