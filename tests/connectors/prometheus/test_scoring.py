"""Rates of a score that is not perfect, as metrics; one without speech leaves rates out."""

import json
from pathlib import Path

import pytest

pytest.importorskip("prometheus_client", reason="diar[metrics] is not installed")

from diar.cli import main
from tests.connectors.prometheus.test_runs import samples

TURN = "SPEAKER {} 1 {:.3f} {:.3f} <NA> <NA> {} <NA> <NA>\n"


def test_shares_are_of_reference_speech(tmp_path: Path) -> None:
    truth, found, file = tmp_path / "truth.rttm", tmp_path / "found.rttm", tmp_path / "x.prom"
    truth.write_text(TURN.format("a", 0, 10, "anna") + TURN.format("b", 0, 10, "ben"))
    found.write_text(TURN.format("a", 0, 8, "1") + TURN.format("b", 0, 11, "1"))
    assert main(["score", "der", str(truth), str(found), "--metrics_file", str(file)]) == 0
    told = samples(file.read_text())
    assert told['diar_miss{set="truth"}'] == pytest.approx(2 / 20)
    assert told['diar_fa{set="truth"}'] == pytest.approx(1 / 20)
    assert told['diar_der{set="truth"}'] == pytest.approx(3 / 20)
    assert told['diar_recording_der{quantile="1.0",set="truth"}'] == pytest.approx(0.2)
    assert told['diar_recording_der{quantile="0.5",set="truth"}'] == pytest.approx(0.15)
    assert 'diar_overlap_coverage{set="truth"}' not in told, "nobody overlaps: there is no such share"
    assert told['diar_score_recordings{set="truth"}'] == 2


def test_rates_of_words(tmp_path: Path) -> None:
    pytest.importorskip("meeteval", reason="diar[score] is not installed")
    truth, found, file = tmp_path / "truth.json", tmp_path / "found.json", tmp_path / "x.prom"
    said = {"session_id": "a", "speaker": "anna", "start_time": 0.0, "end_time": 2.0}
    truth.write_text(json.dumps([{**said, "words": "one two three four"}]))
    found.write_text(json.dumps([{**said, "words": "one two three five"}]))
    call = ["score", "words", str(truth), str(found), "--metrics_file", str(file), "--metrics_set", "calls"]
    assert main(call) == 0
    told = samples(file.read_text())
    assert told['diar_wer{set="calls"}'] == told['diar_cpwer{set="calls"}'] == pytest.approx(1 / 4)
    assert told['diar_wder{set="calls"}'] == 0 and told['diar_words_score_words{set="calls"}'] == 4
