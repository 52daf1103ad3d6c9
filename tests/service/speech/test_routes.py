"""`POST /v1/audio/speech`: asked by OpenAI's client and by hand, of a real synthesizer."""

import io
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf

from diar.service.speech.cutting import sentences
from tests.service.serving import Running, bearer, serving, token

pytest.importorskip("espeakng_loader", reason="no synthesizer: pip install espeakng-loader")
TEXT = "Good morning to all of you. Shall we begin? The ferry left the harbour at dawn."


@pytest.fixture(scope="module")
def desk(
    live_models: Any, guarded: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    log = tmp_path_factory.mktemp("audit") / "audit.jsonl"
    options = {"voices": ("plain=espeak",), "characters_per_minute": 30_000, "audit_log": str(log)}
    with serving(live_models, **guarded, **options) as running:
        running.headers = bearer(token(scope="speech"))
        yield running


def ask(desk: Running, headers: dict[str, str] | None = None, **fields: Any) -> Any:
    body = {"model": "plain", "voice": "steph", "input": TEXT, "response_format": "wav", **fields}
    body = {name: value for name, value in body.items() if value is not None}
    return desk.ask("/v1/audio/speech", body, **(headers or {}))


def test_sentences() -> None:
    assert sentences(TEXT) == [
        "Good morning to all of you.", "Shall we begin?", "The ferry left the harbour at dawn."
    ]  # fmt: skip
    assert sentences("Yes. It is so.  ") == ["Yes. It is so."]
    assert sentences('He said "No!" and left. "Really?" Yes, at once.') == [
        'He said "No!" and left.', '"Really?" Yes, at once.'
    ]  # fmt: skip
    assert sentences("Oh.") == ["Oh."]


def test_a_text_is_spoken_once_and_kept_for_its_tenant(desk: Running) -> None:
    first = ask(desk)
    assert (first.status, first.headers["content-type"]) == (200, "audio/wav")
    assert (
        first.headers["x-model-version"] == "plain@espeak" and first.headers["x-audio-origin"] == "synthetic"
    )
    samples, rate = sf.read(io.BytesIO(first.body))
    assert 3 < len(samples) / rate < 10 and np.abs(samples).max() > 0.1
    began = time.monotonic()
    assert ask(desk).body == first.body
    assert time.monotonic() - began < 0.5
    assert ask(desk, speed=1.5).body != first.body
    assert len(ask(desk, voice="gustave").body) > 1000
    ask(desk, headers=bearer(token(scope="speech", tenant="others")))
    metrics = desk.ask("/metrics", **bearer(token(scope="admin"))).body.decode()
    assert 'diar_speech_requests_total{cache="hit",model="plain@espeak"} 1.0' in metrics
    assert 'diar_speech_requests_total{cache="miss",model="plain@espeak"} 4.0' in metrics
    assert 'diar_speech_first_audio_seconds_count{cache="hit"} 1.0' in metrics


def test_voices_are_listed(desk: Running) -> None:
    told = desk.ask("/v1/audio/voices").json["voices"]
    assert {"id": "steph", "model": "plain"} in told and len(told) == 14


def test_openais_client_streams_every_format(desk: Running) -> None:
    openai = pytest.importorskip("openai")
    client = openai.OpenAI(base_url=f"http://{desk.address}/v1", api_key=token(scope="speech"), max_retries=0)
    for form in ("mp3", "opus", "aac", "flac", "wav", "pcm"):
        with client.audio.speech.with_streaming_response.create(
            model="tts-1", voice="steph", input=TEXT, response_format=form
        ) as answer:
            parts = list(answer.iter_bytes())
        assert sum(map(len, parts)) > 5_000, form
    with pytest.raises(openai.BadRequestError, match="voice 'alloy' is unknown; plain has gustave"):
        client.audio.speech.create(model="tts-1", voice="alloy", input=TEXT)


def test_what_is_wrong_is_said_and_written_down(desk: Running) -> None:
    for fields, status, told in (
        ({"input": ""}, 400, "characters"),
        ({"input": "x" * 5000}, 400, "5000 characters"),
        ({"input": None}, 400, "'input' must be text"),
        ({"input": 7}, 400, "'input' must be text"),
        ({"model": "nothing"}, 400, "there are plain"),
        ({"voice": "../etc"}, 400, "is unknown"),
        ({"response_format": "midi"}, 400, "mp3"),
        ({"speed": 9}, 400, "speed"),
        ({"speed": True}, 400, "speed"),
        ({"input": "?!"}, 400, "no speech"),
        ({"input": "x" * 70_000}, 413, "65536"),
    ):
        answer = ask(desk, **fields)
        assert answer.status == status, (fields, answer.body)
        assert told in answer.body.decode(), answer.body
    assert ask(desk, headers=bearer(token(scope="live jobs"))).status == 403
    assert ask(desk, headers={"Authorization": ""}).status == 401
    log = Path(desk.service.config.audit_log).read_text()
    entries = [json.loads(line) for line in log.splitlines()]
    assert any(one["action"] == "speech" and one["outcome"] == "ok" and one["characters"] for one in entries)
    assert "ferry" not in log, "texts are nobody's business"
    with ThreadPoolExecutor(10) as pool:  # at once, since what is allowed grows with time
        many = list(pool.map(lambda number: ask(desk, input=f"{number} " + "word " * 700), range(10)))
    assert {one.status for one in many} == {200, 429}


def test_a_synthesizer_that_dies_is_started_again(desk: Running) -> None:
    (engine,) = desk.service.speech._engines.values()
    engine._process._process._process.kill()
    time.sleep(0.3)
    headers = bearer(token(scope="speech", sub="another"))
    assert ask(desk, headers, input="Somebody is there again.").status == 200


def test_requests_take_turns(desk: Running) -> None:
    done: dict[str, float] = {}
    headers = bearer(token(scope="speech", sub="third"))

    def one(name: str, text: str) -> None:
        assert ask(desk, headers, input=text).status == 200
        done[name] = time.monotonic()

    long = " ".join(f"This is sentence number {number} of a long text." for number in range(60))
    threads = [threading.Thread(target=one, args=("long", long))]
    threads[0].start()
    time.sleep(0.3)
    threads.append(threading.Thread(target=one, args=("short", "And this is a short one.")))
    threads[1].start()
    for thread in threads:
        thread.join(60)
    assert done["short"] < done["long"]


def test_without_voices_there_is_no_route(server: Running) -> None:
    assert server.ask("/v1/audio/speech", {"input": "a"}).status == 404
