"""Engines of sessions: enrolled people appear under their names, and free memory is given back."""

import json
import platform
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import soundfile as sf

from diar.demo.espeak import speak_all
from diar.demo.sentences import SENTENCES
from diar.demo.voices import VOICES
from diar.errors import DiarError
from diar.online.models import LiveModels
from diar.online.settings import LiveSettings
from diar.service.computing import engine as computing
from diar.service.computing.engine import ServiceEngine
from diar.service.config import ServeConfig
from tests.commands import RATE
from tests.service.serving import blocks, events_until, serving

PEOPLE = {"Anna": "gustave", "Bert": "iven", "Carla": "granny"}  # Carla says nothing


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """NAME/a.wav: 5 s of each person, other sentences than in the conversation."""
    folder = tmp_path_factory.mktemp("people")
    for name, called in PEOPLE.items():
        voice = next(voice for voice in VOICES if voice.name == called)
        said = np.concatenate([*speak_all([(voice, text) for text in SENTENCES[40:43]])])
        (folder / name).mkdir()
        sf.write(folder / name / "a.wav", said[: 5 * RATE], RATE)
    return folder


@pytest.mark.slow
def test_known_speakers_appear_under_their_names(
    campplus_dir: Path, segmentation_dir: Path, people: Path, talk: np.ndarray
) -> None:
    networks = {"model": str(campplus_dir), "segmentation": str(segmentation_dir)}
    models = LiveModels.open(*networks.values(), device="cpu")
    options = {"insecure": True, "known_speakers": people, **networks}
    with serving(models, **options) as running, running.socket() as socket:
        socket.send(json.dumps({"type": "start"}))
        for block in blocks(talk):
            socket.send(block)
        socket.send(json.dumps({"type": "Snapshot"}))
        socket.send(json.dumps({"type": "CloseStream"}))
        events = events_until(socket, "session.ended")
    named = [event for event in events if event["type"] == "speaker.named"]
    assert named and all(event["known"] and event["confidence"] > 0.5 for event in named)
    assert {event["name"] for event in named} == {"Anna", "Bert"}
    assert set(events[-1]["names"].values()) == {"Anna", "Bert"}


def test_a_folder_without_voices_is_told(live_models: Any, tmp_path: Path) -> None:
    with pytest.raises(DiarError, match="`known_speakers="):
        ServiceEngine(live_models, ServeConfig(insecure=True, known_speakers=tmp_path))


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="other C libraries give memory back by themselves"
)
def test_free_memory_between_what_is_kept_goes_back_to_the_system(
    live_models: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(computing, "RETURN_EVERY", float("inf"))
    engine = ServiceEngine(live_models, ServeConfig(insecure=True))
    engine.begin("a", LiveSettings())
    kept = [(np.ones(2_000), np.ones(12_000)) for _ in range(1_500)]  # 96 kB, between 16 kB that stay
    small = [pair[0] for pair in kept]
    kept.clear()
    silence = np.zeros(RATE // 10, np.float32)
    engine.feed({"a": silence})
    before = psutil.Process().memory_info().rss
    monkeypatch.setattr(computing, "RETURN_EVERY", 0.0)
    engine.feed({"a": silence})
    given_back = before - psutil.Process().memory_info().rss
    engine.shut_down()
    assert len(small) == 1_500
    assert given_back > 70e6
