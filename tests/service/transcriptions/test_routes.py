"""Transcriptions by OpenAI's protocol, asked by OpenAI's own client; and the words of jobs."""

import io
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf

from diar.formats.words.document import from_json
from tests.commands import RATE
from tests.service.recognition import needs_recogniser, serving_words
from tests.service.serving import Running, bearer, token

openai = pytest.importorskip("openai", reason="OpenAI's client is not installed: pip install openai")
pytestmark = needs_recogniser
LIMITS = {"upload_megabytes": 2.0, "job_hours": 0.01}


@pytest.fixture(scope="module")
def desk(
    live_models: Any,
    guarded: dict[str, Any],
    tiny_model_dir: Path,
    segmentation_dir: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Running]:
    networks = {"model": str(tiny_model_dir), "segmentation": str(segmentation_dir)}
    folder = tmp_path_factory.mktemp("transcriptions")
    with serving_words(live_models, folder, networks, **guarded, **LIMITS) as running:
        yield running


@pytest.fixture(scope="module")
def client(desk: Running) -> Any:
    return openai.OpenAI(base_url=f"http://{desk.address}/v1", api_key=token(), max_retries=0, timeout=60)


@pytest.fixture(scope="module")
def file(talk: np.ndarray) -> tuple[str, bytes]:
    content = io.BytesIO()
    sf.write(content, talk, RATE, format="FLAC")
    return "my call.flac", content.getvalue()


def test_each_format_as_openais_client_reads_it(client: Any, file: tuple[str, bytes]) -> None:
    def asked(**fields: Any) -> Any:
        return client.audio.transcriptions.create(model="whisper-1", file=file, **fields)

    plain = asked()
    assert plain.text.split() and plain.usage.seconds == 12
    assert asked(response_format="text", language="en").strip() == plain.text
    srt, vtt = asked(response_format="srt"), asked(response_format="vtt")
    assert srt.startswith("1\n00:00:0") and "speaker_0001: " in srt
    assert vtt.startswith("WEBVTT") and "<v speaker_0001>" in vtt
    verbose = asked(response_format="verbose_json", timestamp_granularities=["word", "segment"])
    assert (verbose.language, verbose.duration) == ("en", pytest.approx(12))
    assert [word.word for word in verbose.words] == plain.text.split()
    assert " ".join(one.text for one in verbose.segments) == plain.text
    assert all(one.avg_logprob < 0 < one.compression_ratio for one in verbose.segments)
    assert asked(response_format="verbose_json").words is None
    diarized = asked(
        response_format="diarized_json", chunking_strategy="auto", extra_body={"num_speakers": 2}
    )
    assert {one.speaker for one in diarized.segments} == {"speaker_0001", "speaker_0002"}
    assert (diarized.segments[0].type, diarized.text) == ("transcript.text.segment", plain.text)


def test_what_cannot_be_transcribed_is_told_as_openai_does(client: Any, file: tuple[str, bytes]) -> None:
    def refused(kind: type[Exception] = openai.BadRequestError, **fields: Any) -> Any:
        with pytest.raises(kind) as raised:
            client.audio.transcriptions.create(**{"model": "whisper-1", "file": file, **fields})
        return raised.value

    bad = refused(file=("a.wav", b"no audio at all"))
    assert (bad.param, bad.code, bad.type) == ("file", "failed", "invalid_request_error")
    assert "known format" in str(bad) and "/" not in bad.body["message"]
    for fields, field, reason in (
        ({"model": "other"}, "model", "one of "),
        ({"prompt": "names"}, "prompt", "not supported"),
        ({"stream": True}, "stream", "not supported"),
        ({"temperature": 0.5}, "temperature", "not supported"),
        ({"language": "english"}, "language", "a code such as en"),
        ({"language": "de"}, None, "English only"),
        ({"timestamp_granularities": ["word"]}, "timestamp_granularities", "verbose_json"),
        ({"include": ["logprobs"]}, "include", "not supported"),
        ({"extra_body": {"best_of": 5}}, "best_of", "known: "),
        ({"extra_body": {"num_speakers": "many"}}, "num_speakers", "whole number"),
        ({"response_format": "xml"}, "response_format", "diarized_json"),
    ):
        error = refused(**fields)
        assert error.param == field and reason in error.body["message"], error
    refused(openai.APIStatusError, file=("a.wav", bytes(7_000_000)))
    client = client.with_options(api_key=token(scope="live"))
    assert refused(openai.PermissionDeniedError).type == "invalid_request_error"


def test_forms_that_are_none(desk: Running) -> None:
    for kind, body, status in (
        ("application/json", b"{}", 400),
        ("multipart/form-data", b"--x", 400),
        ("multipart/form-data; boundary=x", b"--x\r\n\r\n\r\n--x--", 400),
        ("multipart/form-data; boundary=x", b"", 400),
    ):
        got = desk.ask("/v1/audio/transcriptions", body, **{"Content-Type": kind})
        assert (got.status, set(got.json["error"])) == (status, {"message", "type", "param", "code"}), body
    assert (
        desk.ask("/v1/audio/transcriptions", b"x", Authorization="").json["error"]["code"] == "unauthorized"
    )


def test_a_job_gives_turns_and_words(desk: Running, file: tuple[str, bytes]) -> None:
    created = desk.ask("/v1/jobs?name=my%20call.flac&words=true", file[1]).json
    until = time.monotonic() + 60
    while (told := desk.ask(f"/v1/jobs/{created['id']}").json)["status"] in ("queued", "running"):
        assert time.monotonic() < until
        time.sleep(0.1)
    assert told["cached"], "what a transcription made before"
    assert told["versions"]["recogniser"]["engine"] == "faster-whisper"
    words = from_json(desk.ask(told["links"]["words.json"]).body.decode(), "words")
    assert words.recording_id == "my call.flac" and words.words and words.speakers
    turns = desk.ask(told["links"]["json"]).json
    assert set(words.speakers) <= {one["name"] for one in turns["speakers"]}
    assert desk.ask(told["links"]["words.srt"]).body.startswith(b"1\n00:00:0")
    assert desk.ask(told["links"]["words.vtt"]).headers["content-type"].startswith("text/vtt")
    assert b"speaker_0001 [00:00:0" in desk.ask(told["links"]["words.txt"]).body
    assert desk.ask(f"/v1/jobs/{created['id']}/words.exe").status == 404
    assert desk.ask(f"/v1/jobs/{created['id']}/words.json", **bearer(token(tenant="b"))).status == 404
    without = desk.ask("/v1/jobs", b"no audio").json["id"]
    assert desk.ask(f"/v1/jobs/{without}/words.json").json["code"] == "not_found"
    assert desk.ask("/v1/jobs?language=en", b"x").status == 400
    assert desk.ask("/v1/jobs?words=true&language=de", b"x").status == 400
    lines = (desk.service.config.results_dir / "audit.jsonl").read_text().splitlines()  # type: ignore[operator]
    actions = [json.loads(line) for line in lines]
    assert {"job.create", "job.end", "transcription"} <= {line["action"] for line in actions}
