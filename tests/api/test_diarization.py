"""What is found in a recording, and the forms in which others read it."""

import json
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import diar
from diar.wording import counted


@pytest.fixture(scope="module")
def found(voice: diar.Voice) -> diar.Diarization:
    return diar.diarize(voice)


def test_turns_and_speakers_tell_the_same(found: diar.Diarization, voice: diar.Voice) -> None:
    assert found.id == "meeting.wav"
    assert found.duration == voice.duration
    assert found.turns == sorted(found.turns, key=lambda turn: (turn.start, turn.end))
    assert all(isinstance(turn, diar.Turn) for turn in found.turns)
    assert list(found.speakers) == ["speaker_0001", "speaker_0002"]
    for label, speaker in found.speakers.items():
        own = [turn for turn in found.turns if turn.speaker == label]
        assert speaker.speech_seconds == pytest.approx(sum(turn.end - turn.start for turn in own))
        assert 0 <= speaker.overlap_seconds <= speaker.speech_seconds
        assert np.linalg.norm(speaker.embedding) == pytest.approx(1, abs=1e-5)
        assert speaker.channel is None
    first, second = (speaker.embedding for speaker in found.speakers.values())
    assert first @ second < 0.6


def test_overlap_is_where_two_turns_are_open(found: diar.Diarization) -> None:
    assert len(found.overlap) > 0
    for start, end in found.overlap:
        middle = (start + end) / 2
        assert len({turn.speaker for turn in found.turns if turn.start <= middle < turn.end}) == 2
    exclusive = sorted((turn.start, turn.end) for turn in found.exclusive)
    assert all(before[1] <= after[0] for before, after in pairwise(exclusive))


def test_the_number_of_speakers_is_obeyed(voice: diar.Voice) -> None:
    assert len(diar.diarize(voice, num_speakers=1).speakers) == 1
    assert len(diar.diarize(voice, min_speakers=2, max_speakers=2).speakers) == 2
    asked = diar.diarize(voice, num_speakers=9)
    assert asked.warnings == [f"{counted(len(asked.speakers), 'speaker')} found, at least 9 asked for"]


def test_other_programs_read_the_texts(found: diar.Diarization, tmp_path: Path) -> None:
    textgrid = pytest.importorskip("praatio.textgrid")
    (tmp_path / "a.TextGrid").write_text(found.to_textgrid())
    grid = textgrid.openTextgrid(str(tmp_path / "a.TextGrid"), includeEmptyIntervals=False)
    assert grid.tierNames == tuple(found.speakers)
    assert sum(len(grid.getTier(name).entries) for name in grid.tierNames) == len(found.turns)
    lines = found.to_rttm().splitlines()
    assert [line.split()[7] for line in lines] == [turn.speaker for turn in found.turns]


def test_json_follows_the_schema_of_stage_2(found: diar.Diarization) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads((Path(__file__).parents[2] / "docs" / "turns-schema.json").read_text())
    jsonschema.validate(json.loads(found.to_json()), schema)
    asked = diar.diarize(found.voice, num_speakers=2)
    jsonschema.validate(json.loads(asked.to_json()), schema)


def test_pandas_and_pyannote_get_their_own(found: diar.Diarization) -> None:
    pytest.importorskip("pandas")
    table = found.to_pandas()
    assert list(table.columns) == ["recording", "start", "end", "speaker", "channel"]
    assert table["start"].tolist() == [turn.start for turn in found.turns]
    pytest.importorskip("pyannote.core")
    annotation = found.to_annotation()
    assert annotation.uri == "meeting.wav"
    assert annotation.labels() == list(found.speakers)
    for label, speaker in found.speakers.items():
        assert annotation.label_duration(label) == pytest.approx(speaker.speech_seconds)


@pytest.mark.parametrize(("method", "package"), [("to_pandas", "pandas"), ("to_annotation", "pyannote.core")])
def test_a_missing_package_is_named(
    method: str, package: str, found: diar.Diarization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(diar.DiarError, match=f"{method} needs the package {package}: .*pip install"):
        getattr(found, method)()


def test_the_picture_is_shown_and_written(found: diar.Diarization, tmp_path: Path) -> None:
    picture = found.plot(tmp_path / "turns.png", reference=found.turns)
    assert (tmp_path / "turns.png").read_bytes().startswith(b"\x89PNG")
    assert picture.size[0] == 1700
    assert found.plot().size[1] < picture.size[1], "without a reference"


def test_silence_has_no_turns(waveform: np.ndarray) -> None:
    noise = 1e-5 * np.random.default_rng(0).standard_normal(32_000)
    found = diar.diarize(noise, sample_rate=16_000)
    assert (found.turns, found.speakers, len(found.overlap)) == ([], {}, 0)
    assert "no speech found: it is all but silent" in found.warnings[0]
    assert found.plot().size[0] == 1700
    assert found.to_rttm() == ""


def test_similarity_is_calibrated(found: diar.Diarization, waveform: np.ndarray) -> None:
    one, other = (
        next(turn for turn in found.exclusive if turn.speaker == label and turn.end - turn.start > 1)
        for label in found.speakers
    )

    def voice_of(start: float, end: float) -> diar.Voice:
        return diar.embed(waveform[round(start * 16_000) : round(end * 16_000)], sample_rate=16_000)

    first, second = voice_of(one.start, one.end), voice_of(other.start, other.end)
    different = diar.similarity(first, second)
    assert different.cosine == pytest.approx(float(first.vector @ second.vector))
    same = diar.similarity(first, first)
    assert different.probability is not None
    assert same.probability is not None
    assert different.probability < 0.5 < 0.99 < same.probability
    assert different.log_ratio is not None
    assert different.probability == pytest.approx(1 / (1 + np.exp(-different.log_ratio)))
