"""`diar voices make`: conversations whose labels are true, by each engine, and made again the same."""

import csv
import http.server
import io
import json
import threading
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from diar.cli import main
from diar.formats.rttm import read_rttm
from diar.voices.espeak import EspeakVoices
from diar.voices.synthesizer import Text

pytest.importorskip("espeakng_loader")
SERVER = ("--synthesizer", "http://127.0.0.1:1/v1")
ESPEAK = ("--synthesizer", "espeak", "--minutes", "0.3", "--seed", "3")


def test_audio_truth_and_origin_belong_together_and_come_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = (*ESPEAK, "--conversations", "2", "--people", "2-3", "--overlap", "0.6")
    assert main(["voices", "make", str(tmp_path / "a"), *options]) == 0
    assert "2 conversations" in capsys.readouterr().out
    turns = read_rttm(tmp_path / "a/truth.rttm")
    manifest = [json.loads(line) for line in (tmp_path / "a/manifest.jsonl").read_text().splitlines()]
    texts = json.loads((tmp_path / "a/truth.seglst.json").read_text())
    about = json.loads((tmp_path / "a/made.json").read_text())
    assert about["origin"] == "synthetic speech" and about["synthesizer"] == "espeak-ng"
    for one in manifest:
        samples, rate = sf.read(tmp_path / "a" / one["audio_filepath"])
        name = Path(one["audio_filepath"]).name
        assert rate == 16_000 and len(samples) / rate == pytest.approx(one["duration"], abs=0.001)
        assert len({turn.speaker for turn in turns[name]}) == one["num_speakers"]
        active = np.zeros(len(samples), bool)
        for turn in turns[name]:
            active[round(turn.start * rate) : round(turn.end * rate)] = True
        assert np.std(samples[active]) > 50 * np.std(samples[~active]), "labels and sound are apart"
        said = {(text["speaker"]) for text in texts if text["session_id"] == name}
        assert said == {turn.speaker for turn in turns[name]}
    assert main(["voices", "make", str(tmp_path / "b"), *options]) == 0
    for file in ("truth.rttm", "truth.seglst.json", "audio/conversation_0001.wav"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_an_archive_of_files_in_blocks_is_one_whose_boundaries_are_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--synthesizer", "espeak", "--files", "10", "--people", "3", "--odd", "0.2", "--seed", "5")
    assert main(["voices", "make", str(tmp_path / "a"), *options]) == 0
    told = capsys.readouterr().out
    rows = list(csv.DictReader((tmp_path / "a/truth.csv").open()))
    assert f"{len(rows)} files" in told and "of 3 people in 4 blocks" in told
    turns = read_rttm(tmp_path / "a/truth.rttm")
    texts = {one["session_id"]: one for one in json.loads((tmp_path / "a/truth.seglst.json").read_text())}
    assert {row["path"] for row in rows} == turns.keys() == texts.keys()
    for row in rows:
        heard, said = {turn.speaker for turn in turns[row["path"]]}, texts[row["path"]]["speaker"]
        assert heard == {row["speaker"]} == {said}
        assert sf.info(tmp_path / "a/audio" / row["path"]).duration > 1
    for _, block in groupby(rows, key=lambda row: row["block"]):
        own = list(block)
        (owner,) = {row["speaker"] for row in own if row["odd"] == "0"}
        assert 8 <= len(own) <= 12 and all(row["speaker"] != owner for row in own if row["odd"] == "1")
        assert [row["odd"] for row in (*own[:2], *own[-2:])] == ["0"] * 4
    assert 0 < sum(row["odd"] == "1" for row in rows) < 12
    about = json.loads((tmp_path / "a/made.json").read_text())
    assert about["files"] == 10 and len(about["people"]) == 3
    assert main(["voices", "make", str(tmp_path / "b"), *options]) == 0
    for file in ("truth.csv", "truth.rttm", f"audio/{rows[7]['path']}"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_what_cannot_be_made_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "there/audio").mkdir(parents=True)
    for arguments, told in (
        (["there", *ESPEAK], "exists; name a new folder"),
        (["new", *ESPEAK, "--people", "2-99"], "there are 14 voices"),
        (["new", *ESPEAK, "--people", "few"], "--people"),
        (["new", *ESPEAK, "--voices", "nobody,steph"], "--voices nobody is unknown"),
        (["new", *ESPEAK, "--script", str(tmp_path / "talk.txt")], "--minutes has no effect with --script"),
        (["new", *ESPEAK, "--files", "9"], "--minutes has no effect with --files"),
        (["new", *ESPEAK, "--odd", "0.1"], "--odd has no effect without --files"),
        (["new", *ESPEAK[:2], "--files", "5", "--odd", "0.1"], "--odd 0.1: needs two people, and --files 6"),
        (["new", *ESPEAK[:2], "--files", "9", "--people", "1", "--odd", "0.1"], "needs two people"),
        (["new", *ESPEAK, "--threads", "2"], "--threads has no effect without Kokoro"),
        (["new", *ESPEAK, "--server_model", "tts-2"], "--server_model has no effect without a server"),
        (["new", "--server_model", "tts-2"], "--server_model has no effect without a server"),
        (["new", *SERVER, "--voices", "anna", "--threads", "2"], "--threads has no effect without Kokoro"),
        (["new", *SERVER], "does not tell its voices"),
    ):
        assert main(["voices", "make", str(tmp_path / arguments[0]), *arguments[1:]]) == 2
        assert told in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_the_key_of_a_server_is_no_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAR_VOICES_KEY", "secret")
    monkeypatch.setenv("DIAR_VOICES_MAKE_MINUTES", "0.1")
    assert main(["voices", "make", str(tmp_path / "a"), *ESPEAK[:2]]) == 0
    assert sf.info(tmp_path / "a/audio/conversation_0000.wav").duration < 30
    assert main(["voices", "list", "espeak"]) == 0


def test_what_fails_leaves_nothing_and_can_be_run_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script, out = tmp_path / "talk.txt", tmp_path / "new/out"
    arguments = ["voices", "make", str(out), *ESPEAK[:2], "--script", str(script)]
    script.write_text("Anna: Good morning to you.\nBen: ...\n")
    assert main(arguments) == 2
    assert "made no sound of '...'" in capsys.readouterr().err
    assert not out.parent.exists()
    (out / ".unfinished-audio").mkdir(parents=True)  # of a process that was killed
    (out / ".unfinished-audio/conversation_0007.wav").touch()
    script.write_text("Anna: Good morning to you.\nBen: And to you.\n")
    assert main(arguments) == 0
    assert sorted(file.name for file in (out / "audio").iterdir()) == ["conversation_0000.wav"]
    assert not (out / ".unfinished-audio").exists()


@pytest.fixture
def server() -> Iterator[tuple[str, list[dict]]]:
    """A server of OpenAI's protocol, whose voices are espeak-ng's; it is busy at first."""
    asked: list[dict] = []
    engine = EspeakVoices()

    class Speech(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append(body)
            known = body["voice"] in engine.voices and self.path == "/v1/audio/speech"
            status = 503 if len(asked) == 1 else 200 if known else 400
            content = b"there is no such voice"
            if status == 200:
                quiet = {"Nothing.": np.zeros(0), "Silence.": np.zeros(engine.rate)}
                if (samples := quiet.get(body["input"])) is None:
                    (samples,) = engine.speak([Text(body["input"], body["voice"])])
                file = io.BytesIO()
                sf.write(file, samples, engine.rate, format="WAV")
                content = file.getvalue()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Speech) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{listening.server_address[1]}/v1", asked
        listening.shutdown()


def test_voices_of_a_server(
    server: tuple[str, list[dict]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url, asked = server
    script = tmp_path / "talk.txt"
    script.write_text("Anna: Good morning to you.\nBen: And to you.\n")
    options = ["--synthesizer", url, "--server_model", "m", "--script", str(script), "--backchannels", "0"]
    assert main(["voices", "make", str(tmp_path / "a"), *options, "--voices", "steph,gustave"]) == 0
    assert [one["input"] for one in asked] == ["Good morning to you."] * 2 + ["And to you."]
    assert asked[0]["model"] == "m" and asked[0]["response_format"] == "wav"
    turns = read_rttm(tmp_path / "a/truth.rttm")["conversation_0000.wav"]
    assert {turn.speaker for turn in turns} == {"Anna", "Ben"}
    assert main(["voices", "make", str(tmp_path / "b"), *options, "--voices", "x,y"]) == 2
    assert "answers 400: there is no such voice" in capsys.readouterr().err
    for text in ("Nothing.", "Silence."):
        script.write_text(f"Anna: Good morning to you.\nBen: {text}\n")
        assert main(["voices", "make", str(tmp_path / "c"), *options, "--voices", "steph,gustave"]) == 2
        assert f"answers with silence for '{text}'" in capsys.readouterr().err
