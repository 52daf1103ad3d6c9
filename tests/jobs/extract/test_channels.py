"""Channels and tracks through both commands: a call is one recording with turns of both its sides."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile as sf

from diar.embedding.chunks import ChunkSettings
from diar.formats.turns_json import read_recording_turns
from diar.intervals import at_least, common_seconds, seconds
from diar.jobs.extract.config import ExtractConfig
from diar.options.base import ConfigError
from diar.outputs.turns import recording_folder
from diar.reading import ReadChunk, ReadSettings, read_recording
from diar.records import RecordingRow
from diar.store.layout import Layout
from diar.store.reader import finished_rows, load_index, read_tracks
from tests.archive.channels.calls import RATE, call, sides, talk
from tests.archive.sounds import recording_of, write_wav
from tests.archive.test_audio_tracks import sine, write_tracks
from tests.commands import ROOT, detect, extract

CHUNKS = ChunkSettings.from_seconds(RATE, chunk=5.0, window=1.0, hop=0.5)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A call, the same talk with an inverted channel, and a film with two tracks."""
    folder = tmp_path_factory.mktemp("archive")
    write_wav(folder / "call.wav", call().T)
    short = talk()[: 12 * RATE]
    write_wav(folder / "inverted.wav", np.stack([short, -short], axis=1))
    write_tracks(folder / "film.mkv", [(sine(5), "eng", True), (short, "deu", True)])
    return folder


@pytest.fixture(scope="module")
def outputs(
    archive: Path, campplus_dir: Path, segmentation_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """Both stages, with everything as it is by default but for the layout."""
    folder = tmp_path_factory.mktemp("outputs")
    models = ("--model_dir", campplus_dir, "--segmentation", segmentation_dir, "--workers", 1)
    done = extract(archive, folder / "E", *models, "--layout", "packed")
    assert done.returncode == 0, done.stderr
    options = ("--speaker_audio", "joined", "--processes", 1, "--exclusive")
    done = detect(folder / "E", folder / "R", "--task", "turns", *options)
    assert done.returncode == 0, done.stderr
    return folder / "E", folder / "R"


def test_the_index_says_what_was_read(outputs: tuple[Path, Path]) -> None:
    rows = finished_rows(Layout(str(outputs[0]))).drop_columns("embedding").to_pylist()
    read = {row["recording_id"]: (row["channel"], row["audio_track"], row["audio_tracks"]) for row in rows}
    assert read == {"call.wav": ("each", 0, 1), "inverted.wav": ("0", 0, 1), "film.mkv": ("mix", 1, 2)}
    assert all(len(row["warnings"]) == 1 for row in rows)
    assert load_index(str(outputs[0])).details["channel"].to_pylist() == ["each", "mix", "0"]


def test_rows_of_a_call_have_their_channel(outputs: tuple[Path, Path]) -> None:
    tracks = read_tracks(str(outputs[0]), "call.wav").tracks
    assert np.unique(tracks.channel).tolist() == [0, 1]
    assert (np.diff(tracks.channel) >= 0).all()
    assert len(np.unique(tracks.windows, axis=0)) == len(tracks.windows)
    assert np.unique(read_tracks(str(outputs[0]), "inverted.wav").tracks.channel).tolist() == [-1]
    table = pq.read_table(next(outputs[0].glob("*.parquet")))
    assert table.schema.field("channel").type == "int16"


def test_turns_of_both_sides_are_one_result(outputs: tuple[Path, Path]) -> None:
    folder = outputs[1] / recording_folder("call.wav")
    result = read_recording_turns(folder / "turns.json")
    assert [(speaker.channel, speaker.local) for speaker in result.speakers] == [
        (0, "channel0"),
        (1, "channel1"),
    ]
    assert result.channels == [0, 1]
    told = sides()
    for speaker in result.speakers:
        turns = at_least(1, [np.array([[t.start, t.end] for t in result.turns if t.speaker == speaker.name])])
        frames = np.abs(told[:, : len(told[0]) // 1600 * 1600]).reshape(2, -1, 1600).max(axis=2) > 0.02
        times = np.arange(frames.shape[1])[:, None] / 10 + [0.0, 0.1]
        own, other = (times[frames[c] & ~frames[1 - c]] for c in (speaker.channel, 1 - speaker.channel))
        assert common_seconds(turns, at_least(1, [own])) > 0.9 * seconds(at_least(1, [own]))
        assert common_seconds(turns, at_least(1, [other])) < 0.1 * seconds(at_least(1, [other]))
    schema = json.loads((ROOT / "docs/turns-schema.json").read_text())
    jsonschema.validate(json.loads((folder / "turns.json").read_text()), schema)


def test_each_channel_has_an_rttm_of_its_own(outputs: tuple[Path, Path]) -> None:
    folder = outputs[1] / recording_folder("call.wav")
    lines = (folder / "turns.rttm").read_text().splitlines()
    assert {line.split()[2] for line in lines} == {"1", "2"}
    for channel in (0, 1):
        own = [line for line in lines if line.split()[2] == str(channel + 1)]
        assert (folder / f"turns.channel{channel}.rttm").read_text().splitlines() == own
        assert len({line.split()[7] for line in own}) == 1
    assert not list((outputs[1] / recording_folder("inverted.wav")).glob("turns.channel*"))


def test_audio_of_a_speaker_comes_from_its_channel(outputs: tuple[Path, Path], archive: Path) -> None:
    folder = outputs[1] / recording_folder("call.wav")
    result, whole = read_recording_turns(folder / "turns.json"), sf.read(archive / "call.wav")[0]
    for speaker in result.speakers:
        cut, _ = sf.read(folder / "speakers" / f"{speaker.name}.wav")
        first = next(turn for turn in result.turns if turn.speaker == speaker.name)
        about = round(first.start * RATE) + np.arange(-16, 17)  # turns.json is rounded to milliseconds
        channel = whole[:, speaker.channel]
        assert any(np.array_equal(cut[:4000], channel[start : start + 4000]) for start in about.tolist())
        assert len(cut) / RATE == pytest.approx(speaker.speech_seconds, abs=0.01)
    inverted = outputs[1] / recording_folder("inverted.wav")
    assert {sf.info(path).channels for path in inverted.glob("speakers/*.wav")} == {1}
    film = outputs[1] / recording_folder("film.mkv")
    loudest = [np.abs(sf.read(path)[0]).max() for path in film.glob("speakers/*.wav")]
    assert loudest
    assert all(0.1 < level < 0.45 for level in loudest)  # the tone of the first track has 0.5


def read_all(path: Path, channel: str, track: str = "auto") -> tuple[list[ReadChunk], RecordingRow]:
    *chunks, row = read_recording(recording_of(path), ReadSettings(CHUNKS, channel, 0.1, track))
    assert isinstance(row, RecordingRow)
    return [chunk for chunk in chunks if isinstance(chunk, ReadChunk)], row


def test_chunks_of_channels_come_in_step(archive: Path) -> None:
    chunks, row = read_all(archive / "call.wav", "each")
    assert row.channel == "each"
    assert [read.chunk.index for read in chunks] == list(range(len(chunks)))
    assert [read.chunk.channel for read in chunks] == [0, 1] * (len(chunks) // 2)
    assert chunks[0].chunk.samples[0] != chunks[1].chunk.samples[0]
    alone = [read_all(archive / "call.wav", channel)[0] for channel in "01"]
    for read, plain in zip(chunks, [one for pair in zip(*alone, strict=True) for one in pair], strict=True):
        assert (read.chunk.start, read.chunk.core, read.share) == (
            plain.chunk.start, plain.chunk.core, plain.share,
        )  # fmt: skip


def test_what_is_not_there_is_a_failure_row(archive: Path) -> None:
    for channel, track, kind in (
        ("4", "auto", "bad_channel"),
        ("auto", "2", "bad_track"),
        ("mix", "fra", "bad_track"),
    ):
        chunks, row = read_all(archive / "film.mkv", channel, track)
        assert (chunks, row.status) == ([], kind)
        assert "film.mkv" in row.error


@pytest.mark.parametrize(
    ("option", "good", "bad"),
    [
        ("channel", ["auto", "mix", "each", "0", "3"], ["all", "-1", "1.5", ""]),
        ("track", ["auto", "0", "2", "eng", "en", "pt-BR"], ["first", "-1", "e", "", "eng,fra"]),
    ],
)
def test_options(option: str, good: list[str], bad: list[str]) -> None:
    base = {"input_dir": "a", "output_dir": "b"}
    assert option in ExtractConfig.result_fields()
    for value in good:
        assert getattr(ExtractConfig(**base, **{option: value}), option) == value
    for value in bad:
        with pytest.raises((ValueError, ConfigError)):
            ExtractConfig(**base, **{option: value})


def test_a_side_may_be_digitally_silent(tmp_path: Path, tiny_model_dir: Path) -> None:
    """As voice over IP leaves out where nobody talks: for minutes, or all of the time."""
    alone = np.stack([talk(), np.zeros_like(talk())])
    (tmp_path / "a").mkdir()
    write_wav(tmp_path / "a/call.wav", np.concatenate([call(), alone, alone, alone], axis=1).T)
    write_wav(tmp_path / "a/half.wav", alone.T)
    options = ("--model_dir", tiny_model_dir, "--segmentation", "none", "--workers", 1, "--channel", "each")
    done = extract(tmp_path / "a", tmp_path / "E", *options)
    assert done.returncode == 0, done.stderr
    assert set(load_index(str(tmp_path / "E")).details["channel"].to_pylist()) == {"each"}
