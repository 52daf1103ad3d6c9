"""`diar.transcribe`: words and speakers of one file, in all forms, as the commands give them."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

import diar
from diar.formats.words.document import from_json
from diar.formats.words.table import FORMATS

needs_recogniser = pytest.mark.skipif(
    importlib.util.find_spec("faster_whisper") is None, reason="words need faster-whisper (diar[words])"
)


@needs_recogniser
def test_a_transcript_and_its_forms(talk: Path) -> None:
    steps: list[tuple[str, float, float]] = []
    said = diar.transcribe(talk, num_speakers=2, on_progress=lambda *step: steps.append(step))
    assert [stage for stage, _, _ in steps] == sorted(stage for stage, _, _ in steps), "read, then recognise"
    assert {stage for stage, _, _ in steps} == {"read", "recognise"} and steps[-1][2] == 1
    assert said.text.split() == [word.text for word in said.words] and len(said.words) > 8
    assert said.speakers == ["speaker_0001", "speaker_0002"] and said.language == "en"
    assert {word.speaker for word in said.words} <= {*said.diarization.speakers, None}
    assert said.diarization.turns == diar.diarize(talk, num_speakers=2).turns
    read = from_json(said.to_json(), "words")
    assert read.recording_id == "meeting.wav" and len(read.words) == len(said.words)
    assert said.to_srt().startswith("1\n00:00:0") and said.to_vtt().startswith("WEBVTT")
    assert said.to_text().startswith("speaker_0001 [00:00:0")
    assert all(said.to(form) for form in FORMATS)
    assert json.loads(said.to("openai"))["text"] == said.text
    with pytest.raises(diar.ArgumentError, match="`form=docx` is none of json"):
        said.to("docx")
    assert list(said.to_pandas()["text"]) == said.text.split()
    assert repr(said) == f"Transcript('meeting.wav', 2 speakers, {len(said.words)} words)"


@needs_recogniser
def test_the_sides_of_a_call_in_an_open_file(phone_call: Path) -> None:
    hears = diar.open_recogniser(device="cpu", beam_size=1)
    with open(phone_call, "rb") as file:
        said = diar.transcribe(file, recogniser=hears)
    assert {word.channel for word in said.words} == {0, 1}
    channels = {label: speaker.channel for label, speaker in said.diarization.speakers.items()}
    assert all(channels[word.speaker] == word.channel for word in said.words if word.speaker is not None)
    pytest.importorskip("onnxruntime", reason="diar[enhance] is not installed")
    clean = diar.transcribe(phone_call, recogniser=hears, enhance_words="gtcrn", aec=True)
    assert {word.channel for word in clean.words} == {0, 1}
    assert [(w.text, w.start) for w in clean.words] != [(w.text, w.start) for w in said.words]


@needs_recogniser
def test_what_cannot_be_transcribed(talk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for fields, reason in (
        ({"language": "english"}, "`language=english` is no code"),
        ({"segmentation": "none"}, "`segmentation=none` finds no speech"),
        ({"batch": 0}, "`batch=0`"),
        ({"num_speakers": 0}, "`num_speakers=0`"),
    ):
        with pytest.raises(diar.ArgumentError, match=reason):
            diar.transcribe(talk, **fields)  # type: ignore[arg-type]
    hears = diar.open_recogniser(device="cpu", beam_size=1)
    with pytest.raises(diar.DiarError, match=r"`language=de`: whisper-tiny\.en knows en; leave it out"):
        diar.transcribe(talk, recogniser=hears, language="de")
    with pytest.raises(diar.DiarError, match="no-such-model"):
        diar.open_recogniser("no-such-model", device="cpu")
    monkeypatch.setitem(sys.modules, "faster_whisper", None)  # as if it were not installed
    with pytest.raises(diar.DiarError, match=r"install it by: .*pip install 'faster-whisper"):
        diar.open_recogniser(device="cpu")
