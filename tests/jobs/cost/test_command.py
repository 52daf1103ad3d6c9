"""`diar plan`: on a real archive through the real launcher, and from figures."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from diar.jobs.cost.command import main
from diar.jobs.extract.statistics import summarise_ranks
from diar.jobs.progress.counters import Counters
from tests.commands import run_diar, write_noise

LONG, SHORT = 900.0, 30


@pytest.mark.slow
def test_a_short_run_on_the_archive_tells_its_speed(campplus_dir: Path, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    write_noise(archive / "long.wav", LONG, 0)
    for number in range(SHORT):
        write_noise(archive / "short" / f"{number}.wav", 1.0, number)
    (archive / "short" / "broken.wav").write_text("no audio")
    stage_1 = ("--device", "cpu", "--workers", 1, "--threads", 1, "--segmentation", "none")
    models = ("--model_dir", campplus_dir, *stage_1)
    measured = ("--input_dir", archive, "--calibration_seconds", 1, "--json", tmp_path / "plan.json")
    done = run_diar("plan", *measured, *models, "--price", 0.5, "--deadline", 48)
    assert done.returncode == 0, done.stderr
    plan = json.loads((tmp_path / "plan.json").read_text())
    speed = plan["speed"]
    assert (speed["source"], speed["workers"]) == ("measured now", 1)
    assert 0 < speed["audio_seconds"] < LONG  # it stopped long before the end
    assert speed["startup_seconds"] > 0
    assert sum(speed["loop"].values()) == pytest.approx(1)
    assert plan["archive"]["audio_hours"] == pytest.approx((LONG + SHORT) / 3600, rel=0.05)
    assert plan["archive"]["longest_recording"] == "long.wav"
    assert plan["archive"]["longest_hours"] == pytest.approx(LONG / 3600)
    hours = {run["workers"]: run["hours"] for run in plan["runs"]}
    assert hours[1] == pytest.approx(speed["rtf"] * plan["archive"]["audio_hours"] / 0.9)
    assert hours[8] == pytest.approx(speed["rtf"] * LONG / 3600 / 0.9)  # one file is one piece of work
    assert plan["deadline"] == {"hours": 48, "workers": 1, "error": None}
    assert "1 worker" in done.stdout
    assert [path.name for path in archive.iterdir()].count("_extraction") == 0


@pytest.fixture
def stats(tmp_path: Path) -> Path:
    """The statistics of two GPUs that did 100 h at 1000 × real time each."""
    counters = Counters(
        files=50,
        audio_seconds=180_000,
        working_seconds=180,
        compute_seconds=170,
        embed_step=100,
        segment_step=60,
        decode_step=300,
    )
    ranks = [{"rank": i, "device": "cuda:0 NVIDIA", "seconds": 190.0, **asdict(counters)} for i in (0, 1)]
    statistics = {
        "recordings": {"planned": 100},
        "audio_hours": 100.0,
        "this_run": summarise_ranks(ranks),
    }
    file = tmp_path / "extraction_stats.json"
    file.write_text(json.dumps(statistics))
    return file


def test_an_earlier_run_tells_its_speed(
    stats: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "plan.json"
    options = ["--stats", str(stats.parent), "--hours", "10000", "--utilisation", "0.8", "--price", "2.4"]
    assert main([*options, "--num-gpus", "5,10", "--deadline", "2.6", "--json", str(report)]) == 0
    plan = json.loads(report.read_text())
    assert plan["speed"]["rtf"] == pytest.approx(0.001)
    assert plan["speed"]["steps"]["decode"] == pytest.approx(300 / 180_000)
    assert plan["speed"]["bound_by"] == "the encoder"
    assert plan["speed"]["startup_seconds"] == pytest.approx(10)
    assert plan["archive"]["recordings"] == 10_000
    assert [(run["workers"], run["hours"], run["cost"]) for run in plan["runs"]] == [
        (5, pytest.approx(2.5), pytest.approx(30)),
        (10, pytest.approx(1.25), pytest.approx(30)),
    ]
    assert plan["cost_per_minute"] == pytest.approx(5e-5)
    assert plan["deadline"]["workers"] == 5
    told = capsys.readouterr().out
    for part in (
        "1,000 × real time",
        "segment",
        "10,000 recordings",
        "5e-05 a minute",
        "for 2.6 h it takes 5 GPUs",
    ):
        assert part in told


def test_a_given_figure_needs_no_archive(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--rtf", "0.001", "--hours", "1000", "--hop", "1", "--utilisation", "1"]) == 0
    assert "1.0 h" in capsys.readouterr().out


def test_a_deadline_that_cannot_be_met_is_an_error_with_a_reason(
    stats: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--stats", str(stats), "--deadline", "0.001"]) == 2
    told = capsys.readouterr().out
    assert "start-up alone takes 10 s" in told
    assert "GPUs" in told  # the rest is told all the same


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "give --input_dir to measure it, --stats or --rtf"),
        (["--rtf", "0.1"], "give --hours or --input_dir"),
        (["--rtf", "0.1", "--stats", "E"], "not both"),
        (["--rtf", "0.1", "--hours", "1", "--utilisation", "1.5"], "--utilisation 1.5 must be"),
        (["--rtf", "-1", "--hours", "1"], "--rtf -1 must be above 0"),
        (["--rtf", "1", "--hours", "0"], "--hours 0 must be above 0"),
        (["--rtf", "1", "--hours", "1", "--price", "-2"], "--price -2 must be"),
        (["--rtf", "1", "--hours", "1", "--deadline", "0"], "--deadline 0 must be"),
        (["--input_dir", "A", "--calibration_seconds", "0"], "--calibration_seconds 0 must be"),
        (["--rtf", "1", "--hours", "1", "--hop", "3"], "hop (3.0 s) must not exceed"),
        (["--stats", "nowhere"], "nowhere/extraction_stats.json does not exist"),
    ],
)
def test_a_bad_request_is_named(arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert named in capsys.readouterr().err


@pytest.mark.parametrize("content", ["{}", "[1]", "no json", '{"this_run": {"ranks": [{"files": 3}]}}'])
def test_other_files_are_no_statistics(
    content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "x.json"
    file.write_text(content)
    assert main(["--stats", str(file)]) == 2
    assert "does not tell where the time went" in capsys.readouterr().err


def test_an_archive_without_audio_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.txt").write_text("none")
    assert main(["--input_dir", str(tmp_path), "--rtf", "1"]) == 2
    assert "no audio files found" in capsys.readouterr().err
    (tmp_path / "a.wav").write_text("no audio")
    assert main(["--input_dir", str(tmp_path), "--rtf", "1"]) == 2
    assert "no header of 1 file can be read" in capsys.readouterr().err
