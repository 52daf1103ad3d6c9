"""The face gives what the commands write, number by number."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

import diar
from diar.embedding.settings import EmbedSettings, SpeechSettings
from diar.jobs.detect.config import DetectConfig
from diar.jobs.detect.settings import diarize_settings
from diar.jobs.extract.config import ExtractConfig
from diar.jobs.extract.networks.pipelines import asked_speech
from diar.store.schema import matrix, tracks_table

NAMES = ["meeting.wav", "call.wav"]


@pytest.fixture(scope="module")
def found(talk: Path, phone_call: Path, voice: diar.Voice) -> dict[str, diar.Diarization]:
    return {"meeting.wav": diar.diarize(voice), "call.wav": diar.diarize(phone_call)}


@pytest.fixture(scope="module")
def archive(commands: tuple[Path, Path]) -> diar.Archive:
    return diar.Archive(commands[0])


@pytest.mark.parametrize("name", NAMES)
def test_tracks_are_those_of_stage_1(
    name: str, found: dict[str, diar.Diarization], archive: diar.Archive
) -> None:
    ours, stored = found[name].voice, archive[name]
    assert np.abs(ours.vector - stored.vector).max() <= 1e-5
    tables = [tracks_table([(name, voice.tracks)]) for voice in (ours, stored)]
    assert len(tables[0]) == len(tables[1]) > 20
    for column in tables[0].column_names:
        a, b = (table[column].combine_chunks() for table in tables)
        if column == "embedding":
            assert np.abs(matrix(a) - matrix(b)).max() <= 1e-5
        elif column == "activity":
            a, b = (np.frombuffer(b"".join(rows.to_pylist()), np.uint8).astype(int) for rows in (a, b))
            assert np.abs(a - b).max() <= 1
        else:
            assert a.equals(b), column
    assert np.array_equal(ours.tracks.windows, stored.tracks.windows)
    assert ours.stored.frames == stored.stored.frames
    rows = [dataclasses.asdict(voice.stored.recording) for voice in (ours, stored)]
    for elsewhere in ("path", "size", "mtime", "embedding"):
        assert [row.pop(elsewhere) for row in rows]
    assert rows[0] == rows[1]
    metadata = [dict(voice.stored.metadata) for voice in (ours, stored)]
    assert metadata[0].items() <= metadata[1].items()


@pytest.mark.parametrize("name", NAMES)
def test_turns_are_those_of_stage_2(
    name: str, found: dict[str, diar.Diarization], archive: diar.Archive, commands: tuple[Path, Path]
) -> None:
    ours, folder = found[name], commands[1] / "recordings" / name
    assert {turn.speaker for turn in ours.turns} >= {"speaker_0001", "speaker_0002"}
    shift = 0 if name == "call.wav" else 2  # call.wav comes first, and names count through the archive
    text = (folder / "turns.rttm").read_text()
    for number in (1, 2):
        text = text.replace(f"speaker_{number + shift:04d}", f"speaker_{number:04d}")
    assert ours.to_rttm() == text
    assert archive.diarize(name).turns == ours.turns
    written = json.loads((folder / "turns.json").read_text())
    ours_json = json.loads(ours.to_json())
    same = ("schema", "schema_version", "program", "recording_id", "duration", "speech_seconds", "gaps")
    same += ("overlap_seconds", "channel", "channels", "audio_start", "audio_tracks", "warnings")
    assert {key: ours_json[key] for key in same} == {key: written[key] for key in same}
    for kind in ("turns", "exclusive"):
        times = [[(turn["start"], turn["end"]) for turn in json_[kind]] for json_ in (ours_json, written)]
        assert times[0] == times[1]
    assert ours_json["thresholds"] == {k: v for k, v in written["thresholds"].items() if "link" not in k}


def test_the_call_is_read_by_side(found: dict[str, diar.Diarization]) -> None:
    call = found["call.wav"]
    assert [speaker.channel for speaker in call.speakers.values()] == [0, 1]
    assert call.voice.stored.recording.channel == "each"
    assert call.voice.stored.recording.bandwidth < 4_700, "so that the telephone preset is used"


def test_defaults_are_those_of_the_commands() -> None:
    given = ExtractConfig(input_dir="a", output_dir="b")
    for field in dataclasses.fields(EmbedSettings()):
        assert getattr(given, field.name) == getattr(EmbedSettings(), field.name)
    assert asked_speech(given, None) == SpeechSettings()
    from diar.embedding.chunks import ChunkSettings
    from diar.reading import ReadSettings

    read = ReadSettings(ChunkSettings(1, 1, 1, 1, 1))
    for name in ("channel", "track", "min_duration"):
        assert getattr(given, name) == getattr(read, name)
    from diar.api.asked import Asked

    assert Asked().settings() == diarize_settings(DetectConfig(embeddings_dir="a", output_dir="b"))
