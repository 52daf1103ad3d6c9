"""`diar words` by a real server: FastAPI and uvicorn on loopback, with faster-whisper behind them."""

import io
import json
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from diar.asr.open import open_recogniser
from diar.demo.espeak import speak_all
from diar.demo.sentences import SENTENCES
from diar.demo.voices import VOICES
from diar.store.reader import done_shards
from diar.store.words import WordsLayout, read_words
from tests.commands import RATE, detect, extract, run_diar, run_module
from tests.conftest import named_weights

pytest.importorskip("faster_whisper", reason="the server recognises by faster-whisper")
pytest.importorskip("fastapi", reason="the server needs FastAPI")
uvicorn = pytest.importorskip("uvicorn", reason="the server needs uvicorn")
KEY = "a-key-of-tests"


@dataclass
class Served:
    """A server, and what it was asked."""

    url: str
    forms: list[dict[str, str]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    refused: int = 0  # requests with another key


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    """A server as others write them: it takes a file of any length and answers `verbose_json`."""
    from fastapi import FastAPI, HTTPException, Request

    recogniser = open_recogniser(str(named_weights("whisper-tiny.en")), beam_size=1)
    app, busy = FastAPI(), threading.Lock()
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    served = Served(f"http://127.0.0.1:{port}/v1")

    def heard(samples: np.ndarray) -> dict:
        with busy:
            (words,) = recogniser.recognise([samples], "en")
        told = [{"word": w.text.strip(".,?!"), "start": w.start, "end": w.end} for w in words]
        return {"text": " ".join(w.text for w in words), "language": "english", "words": told}

    @app.post("/v1/audio/transcriptions")
    async def transcribe(request: Request) -> dict:
        from fastapi.concurrency import run_in_threadpool

        if request.headers.get("authorization") != f"Bearer {KEY}":
            served.refused += 1
            raise HTTPException(401, "wrong key")
        form = await request.form()
        samples, rate = sf.read(io.BytesIO(await form["file"].read()), dtype="float32")
        served.forms.append({name: value for name, value in form.items() if isinstance(value, str)})
        served.seconds.append(len(samples) / rate)
        if np.abs(samples).max() > 0.94:  # the loud one
            raise HTTPException(422, "this audio is refused")
        return await run_in_threadpool(heard, samples)

    running = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error"))
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    while not running.started:
        time.sleep(0.02)
    yield served
    running.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def extracted(campplus_dir: Path, segmentation_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("espeakng_loader", reason="speech synthesis needs espeakng-loader")
    folder = tmp_path_factory.mktemp("endpoint")
    (folder / "audio").mkdir()
    for number, speech in enumerate(speak_all([(VOICES[0], SENTENCES[n]) for n in range(3)])):
        level = 0.99 if number == 2 else 0.3
        sf.write(folder / f"audio/{number}.wav", level * speech / np.abs(speech).max(), RATE)
    models = ("--model_dir", campplus_dir, "--segmentation", segmentation_dir, "--speech", "segmentation")
    assert extract(folder / "audio", folder / "E", *models).returncode == 0
    assert detect(folder / "E", folder / "R", "--task", "turns").returncode == 0
    return folder


def test_an_archive_is_recognised_by_a_server(server: Served, extracted: Path, tmp_path: Path) -> None:
    call = ("words", "--embeddings_dir", extracted / "E", "--asr", server.url, "--workers", 1)
    call = (*call, "--asr_model", "tiny", "--result", extracted / "R", "--format", "json")
    wrong = run_module("diar", *call, DIAR_ASR_KEY="another")
    assert wrong.returncode == 2
    assert "answers 401" in wrong.stderr and "give its key by DIAR_ASR_KEY or --asr_key_file" in wrong.stderr
    assert "another" not in wrong.stderr
    assert server.refused == 1 and not server.forms
    file = tmp_path / "key"
    file.write_text(KEY + "\n")
    done = run_diar(*call, "--asr_key_file", file)
    assert done.returncode == 3, done.stderr  # the loud one
    assert "answers 422" in done.stderr and "this audio is refused" in done.stderr
    layout = WordsLayout(str(extracted / "E"))
    found = {name: one for shard in done_shards(layout) for name, one in read_words(layout, shard).items()}
    assert {name: told.status for name, (told, _) in found.items()} == {
        "0.wav": "ok",
        "1.wav": "ok",
        "2.wav": "not_recognised",
    }
    said, words = SENTENCES[0].lower().split(), [word.text for word in found["0.wav"][1]]
    assert len(set(said) & {text.lower() for text in words}) > len(said) / 3
    assert words[-1].endswith(".")  # which only the text has
    assert found["0.wav"][0].language == "en"
    assert len(server.forms) == 3  # each once, and the language told by the same answer
    assert all(form["model"] == "tiny" and form["response_format"] == "verbose_json" for form in server.forms)
    kept = json.loads((extracted / "E/_words/config.json").read_text())
    assert kept["settings"]["engine"] == "openai" and kept["settings"]["settings"] == {"address": server.url}
    everything = [*(extracted / "E/_words").rglob("*"), *(extracted / "R").rglob("*")]
    assert not [path for path in everything if path.is_file() and KEY.encode() in path.read_bytes()]


def test_tracks_that_cannot_be_read_are_told(server: Served, extracted: Path, tmp_path: Path) -> None:
    embeddings = tmp_path / "E"
    shutil.copytree(extracted / "E", embeddings)
    (embeddings / "0.wav.parquet").write_bytes(b"damaged")
    call = ("words", "--embeddings_dir", embeddings, "--asr", server.url, "--asr_model", "tiny")
    done = run_module("diar", *call, "--result", extracted / "R", "--workers", 1, DIAR_ASR_KEY=KEY)
    assert done.returncode == 3, done.stderr
    assert "warning: the tracks of 1 recording cannot be read" in done.stderr
    assert "\n  0.wav: " in done.stderr


def test_options_that_have_no_effect_are_refused(tmp_path: Path) -> None:
    cases = [
        (("--asr", "http://127.0.0.1:1/v1", "--beam_size", 2), "--beam_size has no effect with a server"),
        (("--asr_model", "large"), "--asr_model has no effect without a server"),
        (("--cache_gigabytes", 5), "--cache_gigabytes has no effect without --cache_dir"),
        (("--lease", 30), "--lease has no effect without --join"),
        (("--asr", "http://me:secret@127.0.0.1:1/v1"), "DIAR_ASR_KEY or --asr_key_file"),
    ]
    for arguments, told in cases:
        done = run_diar("words", "--embeddings_dir", tmp_path, *arguments)
        assert done.returncode == 2
        assert told in done.stderr and "secret" not in done.stderr
