"""Manifests of a result, read back: by Lhotse where it is installed, else by the rules of each format."""

import gzip
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from diar.formats.manifests import KaldiDirectory, ListedRecording
from diar.formats.rttm import read_rttm
from diar.records import Turn
from tests.commands import detect_here
from tests.detect.observations_sample import Conversation, converse, make_voices, write_store

VOICES = make_voices(3, 5)


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both tasks with all manifests: a talk, a part of a file, a recording of one voice, silence."""
    root = tmp_path_factory.mktemp("manifests")
    part = {"offset": 100.0, "part_seconds": 40.0, "path": str(root / "audio/b.mp4"), "channels": 2}
    talks = {
        "day 1/a.wav": converse(VOICES[:2], 40.0, seed=1),
        "b.mp4@100.00-140.00": converse(VOICES[1:], 40.0, seed=2),
        "c.wav": Conversation(20.0, VOICES[:1], [(1.0, 19.0, 0)]),
        "silence.wav": Conversation(20.0, VOICES[:1], []),
    }
    write_store(root, talks, known={"b.mp4@100.00-140.00": part})
    options = ("--task", "all", "--place", "none", "--no_plot", "--no_labels", "--processes", 1)
    for manifests in ("kaldi", "lhotse,nemo,kaldi"):
        done = detect_here(root / "E", root / "R", *options, "--manifests", manifests, "--times", "file")
        assert done.returncode == 0, done.stderr
    return root / "R"


def json_lines(path: Path) -> list[dict]:
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    return [json.loads(line) for line in text.splitlines()]


def turns_of(result: Path) -> list[tuple[float, float, str]]:
    found = [turn for turns in read_rttm(result / "all.rttm").values() for turn in turns]
    return sorted((round(turn.start, 3), round(turn.end - turn.start, 3), turn.speaker) for turn in found)


def test_nemo(result: Path) -> None:
    folder = result / "manifests/turns/nemo"
    recordings = json_lines(folder / "recordings.json")
    names = [Path(one["audio_filepath"]).name for one in recordings]
    assert names == ["a.wav", "b.mp4", "c.wav", "silence.wav"]
    assert [recordings[1][key] for key in ("offset", "duration", "num_speakers")] == [100.0, 40.0, 2]
    for one in recordings[:3]:
        (turns,) = read_rttm(Path(one["rttm_filepath"])).values()
        assert one["offset"] <= turns[0].start < turns[-1].end <= one["offset"] + one["duration"]
    lines = [(one["offset"], one["duration"], one["label"]) for one in json_lines(folder / "turns.json")]
    assert sorted(lines) == turns_of(result)
    labels = json_lines(result / "manifests/files/nemo/turns.json")
    assert {one["label"] for one in labels} <= {"speaker_001", "speaker_002", "speaker_003"}


def test_lhotse(result: Path) -> None:
    folder = result / "manifests/turns/lhotse"
    recordings = {one["id"]: one for one in json_lines(folder / "recordings.jsonl.gz")}
    assert list(recordings) == ["day 1/a.wav", "c.wav", "silence.wav", "b.mp4"], "the file, not its part"
    assert recordings["b.mp4"]["duration"] == 140.0
    supervisions = json_lines(folder / "supervisions.jsonl.gz")
    found = sorted((one["start"], one["duration"], one["speaker"]) for one in supervisions)
    assert found == turns_of(result)
    assert {str(one["channel"]) for one in supervisions if one["recording_id"] == "b.mp4"} == {"[0, 1]"}


def test_kaldi(result: Path) -> None:
    for task in ("turns", "files"):
        folder = result / "manifests" / task / "kaldi"
        texts = {path.name: path.read_text().splitlines() for path in folder.iterdir()}
        check_kaldi(texts)
    segments = [line.split() for line in texts["segments"]]
    assert ["b.mp4", "100.000", "140.000"] in [fields[1:] for fields in segments]


def test_lhotse_reads_its_own_and_kaldis(result: Path, tmp_path: Path) -> None:
    lhotse = pytest.importorskip("lhotse")
    read = (lhotse.RecordingSet, "recordings"), (lhotse.SupervisionSet, "supervisions")
    sets = [kind.from_file(result / "manifests/turns/lhotse" / f"{name}.jsonl.gz") for kind, name in read]
    lhotse.qa.validate_recordings_and_supervisions(*(one.to_eager() for one in sets))
    lhotse_kaldi = pytest.importorskip("lhotse.kaldi")
    copy = Path(shutil.copytree(result / "manifests/turns/kaldi", tmp_path / "kaldi"))
    words = [f"{line.split()[0]} word\n" for line in (copy / "segments").read_text().splitlines()]
    (copy / "text").write_text("".join(words))  # this reader wants a transcript
    recordings, supervisions, _ = lhotse_kaldi.load_kaldi_data_dir(copy, 16_000)
    found = sorted((round(one.start, 3), round(one.duration, 3), one.speaker) for one in supervisions)
    assert found == turns_of(result)
    assert len(recordings) == 3


def check_kaldi(texts: dict[str, list[str]]) -> None:
    """What utils/validate_data_dir.sh checks."""
    ids = {name: [line.split()[0].encode() for line in lines] for name, lines in texts.items()}
    for name, own in ids.items():
        assert own == sorted(set(own)), name
    assert ids["utt2spk"] == ids["segments"]
    speakers = [line.split()[1].encode() for line in texts["utt2spk"]]
    assert speakers == sorted(speakers), "utterances and speakers have one order"
    assert ids["spk2utt"] == sorted(set(speakers))
    assert {line.split()[1].encode() for line in texts["segments"]} == set(ids["wav.scp"])
    assert ids["reco2dur"] == ids["wav.scp"]


def test_names_that_kaldi_would_sort_differently_and_channels_apart() -> None:
    names, directory = ["Ann", "Ann Bell", "Ann-Bell", "Ann=20Bell", "Zoë", "ann!"], KaldiDirectory()
    for number, name in enumerate(names):
        starts = (2.0 * number, 2.0 * number + 1)
        turns = [Turn("call 1.wav", at, at + 0.5, name, channel=number % 2) for at in starts]
        call = ("call 1.wav", "call 1.wav", "/x/it's 1.wav", 8_000, 2, 0.0, 20.0)
        directory.add(ListedRecording(*call, turns, "each", 1))
    texts = {name: text.splitlines() for name, text in directory.files().items()}
    check_kaldi(texts)
    assert len(texts["spk2utt"]) == len(names)
    assert texts["reco2file_and_channel"] == [
        "call%201.wav-channel0 call%201.wav A",
        "call%201.wav-channel1 call%201.wav B",
    ]
    source = texts["wav.scp"][1].partition(" ")[2]
    assert source.startswith("ffmpeg ") and source.endswith(" -f wav -c:a pcm_s16le - |")
    assert "-map 0:a:1 -af 'pan=mono|c0=c1'" in source


def test_manifests_go_away_without_the_option_and_wrong_kinds_are_named(result: Path, tmp_path: Path) -> None:
    assert np.all([(result / "manifests" / task / "kaldi/wav.scp").exists() for task in ("turns", "files")])
    wrong = detect_here(result.parent / "E", tmp_path / "R", "--manifests", "espnet")
    assert (wrong.returncode, "--manifests 'espnet'" in wrong.stderr) == (2, True)
    options = ("--task", "all", "--place", "none", "--no_plot", "--no_labels", "--processes", 1)
    assert detect_here(result.parent / "E", result, *options).returncode == 0
    assert not (result / "manifests").exists()
