"""turns.json: follows its schema, comes back, says what is wrong with others."""

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from diar.formats.document import ResultError
from diar.formats.rttm import format_rttm, parse_rttm
from diar.formats.turns_json import RecordingTurns, from_json, on_file_clock, read_recording_turns, to_json
from diar.records import Turn
from tests.outputs.sample import make_turns

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "turns-schema.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "result",
    [
        make_turns(),
        replace(make_turns(), exclusive=None),
        replace(make_turns(), turns=[], exclusive=[], speakers=[], warnings=[]),
    ],
)
def test_json_follows_its_schema_and_comes_back(result: RecordingTurns, tmp_path: Path) -> None:
    jsonschema.validate(json.loads(to_json(result)), SCHEMA)
    (tmp_path / "turns.json").write_text(to_json(result), encoding="utf-8")
    assert read_recording_turns(tmp_path / "turns.json") == result


def test_times_are_those_of_the_rttm() -> None:
    turns = [
        Turn("r", 0.12345, 1.99961, "s"),
        Turn("r", 1.99961, 1.99999, "s"),
        Turn("r", 2.0004, 2.0004 + 1e-7, "s"),
    ]
    written = from_json(to_json(replace(make_turns("r"), turns=turns)), "x").turns
    assert written == [Turn("r", 0.123, 2.0, "s")]
    assert parse_rttm(format_rttm(turns), "x")["r"] == written


def test_speakers_are_described() -> None:
    first, second = make_turns().speakers
    assert (first.name, first.local, first.speech_seconds, first.turns) == ("speaker_001", "1", 5.875, 2)
    assert (first.similarity, first.confidence) == (0.75, 0.9)
    assert (second.overlap_seconds, second.similarity) == (0.5, None)


def test_on_the_files_clock_everything_is_later_once() -> None:
    part = replace(make_turns(), offset=100.0, gaps=[(1.0, 2.5)])
    file = on_file_clock(part)
    assert [turn.start for turn in file.turns] == [turn.start + 100 for turn in part.turns]
    assert [turn.end for turn in file.exclusive or ()] == [turn.end + 100 for turn in part.exclusive or ()]
    assert (file.gaps, file.times, file.duration) == ([(101.0, 102.5)], "file", 12.0)
    assert on_file_clock(file) == file
    assert from_json(to_json(file), "x") == file
    jsonschema.validate(json.loads(to_json(file)), SCHEMA)


def test_version_1_0_is_read() -> None:
    stored = {
        "embedding_dim": "192",
        "activity_step": "0.016875",
        "settings": '{"chunk": 30.0}',
        "model": "9",
    }
    document = json.loads(to_json(make_turns())) | {"schema_version": "1.0", "model": stored}
    new = ("label", "times", "offset", "audio_start", "audio_track", "audio_tracks", "channel", "gaps")
    for name in new:
        del document[name]
    del document["clustering"]["num_speakers_from"]
    typed = {"embedding_dim": 192, "activity_step": 0.016875, "settings": {"chunk": 30.0}, "model": "9"}
    assert from_json(json.dumps(document), "x") == replace(make_turns(), model=typed)


def test_fields_of_a_later_minor_version_are_passed_over() -> None:
    document = json.loads(to_json(make_turns()))
    document |= {"schema_version": "2.7", "mood": "good"}
    document["speakers"][0]["age"] = 33
    assert from_json(json.dumps(document), "x") == make_turns()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "holds no turns"),
        ('{"schema": "diar.speaker_boundaries"}', r"holds no turns.*turns\.json"),
        ('{"schema": "diar.turns", "schema_version": "3.0"}', "schema version 3.0"),
        ('{"schema": "diar.turns", "schema_version": "1.0"}', "does not follow"),
    ],
)
def test_other_files_are_no_turns(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(ResultError, match=rf"x\.json.*{message}"):
        read_recording_turns(tmp_path / "x.json")
    with pytest.raises(ResultError, match=r"absent\.json"):
        read_recording_turns(tmp_path / "absent.json")
