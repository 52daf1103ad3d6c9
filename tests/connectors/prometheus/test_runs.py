"""Metrics and JSON logs of the real commands: scraped while they work, written at their end."""

import json
import math
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("prometheus_client", reason="diar[metrics] is not installed")

from prometheus_client.parser import text_string_to_metric_families

from diar.cli import main
from tests.commands import detect_here, run_diar, start_extract, write_archive
from tests.detect.observations_sample import converse, make_voices, write_store

DURATIONS = [*[2.0] * 40, *[400.0] * 6]  # the long ones keep ranks at work for some seconds
COUNT = len(DURATIONS)


def samples(text: str) -> dict[str, float]:
    """Values by name and labels, such as `diar_run_recordings{stage="extract"}`."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sample.labels.items())
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def scrapes(url: str, process: subprocess.Popen) -> Iterator[dict[str, float]]:
    """Scrape until the process has ended."""
    while process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                yield samples(answer.read().decode())
        except OSError:  # it has just ended
            return
        time.sleep(0.3)


def test_stage_1_tells_of_all_ranks_while_it_works_and_at_its_end(
    tiny_model_dir: Path, tmp_path: Path
) -> None:
    archive = write_archive(tmp_path / "archive", DURATIONS)
    (archive / "part_0/broken.wav").write_text("no audio")
    file = tmp_path / "metrics" / "run.prom"
    file.parent.mkdir()
    watching = ("--metrics_port", 0, "--metrics_file", file, "--log_format", "json")
    options = ("--model_dir", tiny_model_dir, "--workers", 2, "--shard_files", 4, *watching)
    process = start_extract(archive, tmp_path / "E", *options, stderr=subprocess.PIPE, text=True)
    first = process.stderr.readline()
    (url,) = re.findall(r"http://127\.0\.0\.1:\d+/metrics", json.loads(first)["message"])
    told = list(scrapes(url, process))
    rest = process.stderr.read().splitlines()
    assert process.wait() == 3, rest
    assert told and all('diar_run_start_time_seconds{stage="extract"}' in one for one in told)
    during = [one for one in told if 'diar_run_recordings{stage="extract"}' in one]
    assert during, "no scrape met a rank at work"
    assert during[-1]['diar_run_recordings{stage="extract"}'] == COUNT + 1
    lines = [json.loads(line) for line in [first, *rest]]  # every line is an object
    assert {"time", "level", "message", "pid"} <= set.intersection(*map(set, lines))
    (failed,) = [line for line in lines if line.get("recording") == "part_0/broken.wav"]
    assert failed["level"] == "warning" and failed["status"] and "rank" in failed
    end = samples(file.read_text())
    assert end['diar_run_exit_code{stage="extract"}'] == 3
    done = [end[f'diar_run_recordings_finished_total{{rank="{rank}",stage="extract"}}'] for rank in (0, 1)]
    assert sum(done) == COUNT + 1 == end['diar_run_recordings_done{stage="extract"}']
    by_rank = [end[f'diar_run_audio_seconds_total{{rank="{rank}",stage="extract"}}'] for rank in (0, 1)]
    assert math.isclose(sum(by_rank), sum(DURATIONS), abs_tol=1e-2)
    assert end['diar_run_progress_ratio{stage="extract"}'] == 1.0
    assert not any("archive" in name or "wav" in name for name in end), "no path is a label"
    assert [path.name for path in file.parent.iterdir()] == ["run.prom"], "nothing is left of its making"


def test_an_address_that_is_taken_is_refused_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = write_archive(tmp_path / "archive", [2.0])
    common = ["extract", "--input_dir", str(archive), "--output_dir", str(tmp_path / "E")]
    assert main([*common, "--metrics_host", "192.0.2.1", "--metrics_port", "0"]) == 2
    told = capsys.readouterr().err
    assert "--metrics_host 192.0.2.1" in told or "metrics_host=192.0.2.1" in told
    assert main([*common, "--metrics_file", str(archive / "part_0/0.wav/x.prom")]) == 2
    assert "x.prom" in capsys.readouterr().err and not (tmp_path / "E").exists()


def test_without_prometheus_client_the_error_names_the_package(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    archive = write_archive(tmp_path / "archive", [2.0])
    call = ["extract", "--input_dir", str(archive), "--output_dir", str(tmp_path / "E")]
    assert main([*call, "--metrics_port", "0"]) == 2
    assert "prometheus-client" in capsys.readouterr().err


def test_stage_2_and_scores_as_textfiles(tmp_path: Path) -> None:
    talks = {
        f"{name}.wav": converse(make_voices(2, 3), 60.0, overlap=0.3, seed=seed)
        for seed, name in enumerate("ab")
    }
    write_store(tmp_path, talks)
    file = tmp_path / "detect.prom"
    quiet = ("--task", "turns", "--no_plot", "--no_labels", "--processes", 1)
    done = detect_here(tmp_path / "E", tmp_path / "R", *quiet, "--metrics_file", file, "--log_format", "json")
    assert done.returncode == 0, done.stderr
    assert all(json.loads(line)["command"] for line in done.stderr.splitlines())
    found = samples(file.read_text())
    assert found['diar_run_recordings_done{stage="detect"}'] == 2
    assert found['diar_result_recordings{outcome="diarized"}'] == 2 and found["diar_result_people"] == 2
    assert found["diar_result_turns"] > 2 and found["diar_result_overlap_seconds"] > 0
    assert found['diar_run_exit_code{stage="detect"}'] == 0
    truth, scored = tmp_path / "truth.rttm", tmp_path / "score.prom"
    truth.write_text((tmp_path / "R/all.rttm").read_text())
    call = (
        "score",
        "der",
        truth,
        tmp_path / "R",
        "--metrics_file",
        scored,
        "--metrics_set",
        "calls",
        "--json",
    )
    done = run_diar(*call)
    assert done.returncode == 0, done.stderr
    found, told = samples(scored.read_text()), json.loads(done.stdout)
    assert found['diar_der{set="calls"}'] == told["pooled"]["der"] == 0
    assert found['diar_overlap_coverage{set="calls"}'] == told["pooled"]["overlap_recall"] == 1
    assert found['diar_recording_der{quantile="0.95",set="calls"}'] == 0
    for name in ("diar_jer", "diar_miss", "diar_fa", "diar_confusion", "diar_speakers_estimate_error"):
        assert found[f'{name}{{set="calls"}}'] == 0
