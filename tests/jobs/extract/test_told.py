"""What a list says of recordings, and what is unusual about them, by both real commands up to the outputs."""

import csv
import json
import re
import shlex
from pathlib import Path
from subprocess import CompletedProcess

import jsonschema
import numpy as np
import pytest
import soundfile as sf

from diar.formats.rttm import read_rttm, write_rttm
from diar.records import Turn
from diar.store.reader import load_index
from tests.commands import RATE, ROOT, detect_here, extract, run_diar

SCHEMA = json.loads((ROOT / "docs" / "turns-schema.json").read_text(encoding="utf-8"))
PART = "talk.wav@10.00-40.00"


def chords(seconds: float) -> np.ndarray:
    """Three notes with harmonics, louder and softer twice a second, (n,) float32."""
    time, rng = np.arange(round(seconds * RATE)) / RATE, np.random.default_rng(2)
    notes = sum(np.sin(2 * np.pi * k * f * time) / k for f in (262, 330, 392) for k in range(1, 6))
    swell = np.repeat(rng.uniform(0.2, 1.0, int(2 * seconds)), RATE // 2)
    return (0.05 * notes * swell).astype(np.float32)


def write_audio(folder: Path, conversation: np.ndarray) -> None:
    rng, time = np.random.default_rng(1), np.arange(12 * RATE) / RATE
    folder.mkdir()
    sf.write(folder / "talk.wav", conversation, RATE, subtype="PCM_16")
    data = (folder / "talk.wav").read_bytes()
    (folder / "cut.wav").write_bytes(data[: 44 + 40 * RATE])  # 20 of 70 s
    left = 0.3 * conversation[: 12 * RATE]
    inverted = np.stack([left, 1e-5 * rng.standard_normal(12 * RATE) - left], axis=1)
    sf.write(folder / "inverted.wav", inverted, RATE, subtype="FLOAT")
    sf.write(folder / "tone.wav", 0.3 * np.sin(2 * np.pi * 440 * time), RATE)
    sf.write(folder / "noise.wav", 0.1 * rng.standard_normal(12 * RATE), RATE)
    sf.write(folder / "music.wav", chords(12), RATE)
    (folder / "broken.wav").write_text("no audio")


def write_manifest(folder: Path, speakers: int) -> Path:
    """Parts of a talk, and files in which nobody talks."""
    names = ("cut", "inverted", "tone", "noise", "music", "broken")
    lines: list[dict] = [{"audio_filepath": f"{name}.wav", "label": "infer"} for name in names]
    part = {"audio_filepath": "talk.wav", "offset": 10, "duration": 30, "num_speakers": speakers}
    lines += [
        {**part, "rttm_filepath": "truth.rttm", "label": "Ann", "text": "-", "mood": "gay", "id": 7},
        {"audio_filepath": "talk.wav", "offset": 40.0, "duration": 20, "num_speakers": 3, "mood": "sad"},
    ]
    path = folder / "manifest.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    return path


@pytest.fixture(scope="module")
def root(
    conversation: np.ndarray, tiny_model_dir: Path, segmentation_dir: Path, tmp_path_factory
) -> tuple[Path, CompletedProcess]:
    folder = tmp_path_factory.mktemp("told")
    write_audio(folder / "audio", conversation)
    manifest = write_manifest(folder / "audio", speakers=1)
    spans = [(2.0, 12.0, "A"), (15.0, 20.0, "B"), (38.0, 50.0, "A")]
    write_rttm(folder / "audio/truth.rttm", [Turn("some other id", *span) for span in spans])
    options = ("--model_dir", tiny_model_dir, "--segmentation", segmentation_dir, "--channel", "mix")
    done = extract(manifest, folder / "E", *options, "--workers", 1)
    assert done.returncode == 3, done.stderr
    return folder, done


def turns(root: Path, output: Path, *options: object, status: int = 3) -> CompletedProcess:
    done = detect_here(root / "E", output, "--task", "turns", "--no_plot", "--processes", 1, *options)
    assert done.returncode == status, done.stderr
    return done


@pytest.fixture(scope="module")
def result(root: tuple[Path, CompletedProcess]) -> tuple[Path, str]:
    """Of a plain run, and what it said."""
    return root[0] / "R", turns(root[0], root[0] / "R").stdout


def document(result: Path, name: str) -> dict:
    read = json.loads((result / "recordings" / name / "turns.json").read_text(encoding="utf-8"))
    jsonschema.validate(read, SCHEMA)
    return read


def rows_of(result: Path) -> dict[str, dict[str, str]]:
    with (result / "recordings.csv").open(newline="") as file:
        return {row["recording_id"]: row for row in csv.DictReader(file)}


def test_stage_1_counts_and_names_what_is_unusual(root: tuple[Path, CompletedProcess]) -> None:
    folder, done = root
    assert done.stderr.count("fields that diar does not use: mood, id\n") == 1
    recordings = json.loads((folder / "E/extraction_stats.json").read_text())["recordings"]
    assert (recordings["with_warnings"], recordings["without_speech"]) == (1, 4)
    counted = "1 recording with warnings, 4 without any speech"
    assert f"{counted}: diar status {folder / 'E'} --warnings" in done.stderr
    assert re.search(r"  cut\.wav: .*20\.00–70\.00 s", done.stderr)
    plain, listed = run_diar("status", folder / "E"), run_diar("status", folder / "E", "--warnings")
    assert f"{counted} (--warnings lists them)" in plain.stdout
    told = dict(line.split("\t") for line in listed.stdout.splitlines() if "\t" in line)
    assert told.keys() == {"cut.wav", "inverted.wav", "tone.wav", "noise.wav", "music.wav"}
    assert "\t" not in plain.stdout


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("inverted.wav", "all but silent (its loudest sample is at -9"),
        ("inverted.wav", "its 2 channels may cancel each other"),
        ("tone.wav", "a steady tone, hum or rumble"),
        ("noise.wav", "it sounds like noise"),
        ("music.wav", "music, or other sound"),
    ],
)
def test_no_speech_is_told_with_its_likely_reason(result: tuple[Path, str], name: str, reason: str) -> None:
    folder, _ = result
    row, warning = rows_of(folder)[name], document(folder, name)["warnings"][0]
    assert warning.startswith("no speech found: ")
    assert reason in warning
    assert (row["status"], row["turns"], row["warnings"]) == ("no_speech", "0", warning)


def test_the_closing_lines_count_and_name_a_few(result: tuple[Path, str]) -> None:
    lines = result[1].splitlines()
    assert lines[0] == "3 recordings diarized, 5 without turns: 4 without speech, 1 failed"
    assert lines[2].startswith("  broken.wav: undecodable: ")
    assert lines[3].startswith("  inverted.wav: no speech found: ")
    assert lines[6] == "  … and 1 more: status no_speech in recordings.csv"
    assert "warning: 6 recordings with warnings of their own, see recordings.csv" in lines
    assert len(lines) < 15


def test_stage_1s_columns_reach_every_document(result: tuple[Path, str]) -> None:
    read = document(result[0], "cut.wav")
    assert read["gaps"] == [{"start": 20.0, "end": 70.0}]
    assert "20.00–70.00 s" in read["warnings"][0]
    fields = ("audio_start", "audio_track", "audio_tracks", "channel", "offset", "times", "label")
    assert [read[name] for name in fields] == [0.0, 0, 1, "mix", 0.0, "part", None]
    assert rows_of(result[0])["cut.wav"]["warnings"] == read["warnings"][0]


def test_a_manifests_speaker_count_counts(
    root: tuple[Path, CompletedProcess], result, tmp_path: Path
) -> None:
    one = document(result[0], PART)
    asked = one["clustering"]
    assert (len(one["speakers"]), asked["num_speakers"], asked["num_speakers_from"]) == (1, 1, "manifest")
    assert (one["label"], one["offset"], rows_of(result[0])[PART]["label"]) == ("Ann", 10.0, "Ann")
    turns(root[0], tmp_path / "R", "--num_speakers", 2)
    two = document(tmp_path / "R", PART)
    asked = two["clustering"]
    assert (len(two["speakers"]), asked["num_speakers"], asked["num_speakers_from"]) == (
        2,
        2,
        "--num_speakers",
    )
    turns(root[0], tmp_path / "S", "--num_speakers", "auto")
    assert document(tmp_path / "S", PART)["clustering"]["num_speakers"] is None


def test_a_speaker_count_that_is_not_met_is_told(root: tuple[Path, CompletedProcess], tmp_path: Path) -> None:
    done = turns(root[0], tmp_path / "R", "--num_speakers", 40)
    (warning,) = document(tmp_path / "R", PART)["warnings"]
    found = len(document(tmp_path / "R", PART)["speakers"])
    assert warning == f"{found} speaker{'s' * (found != 1)} found, 40 asked for (--num_speakers)"
    assert rows_of(tmp_path / "R")[PART]["warnings"] == warning
    assert warning in done.stdout
    bounded = turns(root[0], tmp_path / "S", "--min_speakers", 2, "--max_speakers", 2)
    (warning,) = document(tmp_path / "S", PART)["warnings"]
    assert warning == "num_speakers 1 of the manifest is not used (at least 2, at most 2)"
    assert bounded.returncode == 3


def test_times_of_a_part_or_of_its_file(root: tuple[Path, CompletedProcess], result, tmp_path: Path) -> None:
    turns(root[0], tmp_path / "R", "--times", "file", "--exclusive", "--speaker_audio", "clips")
    part, file = document(result[0], PART), document(tmp_path / "R", PART)
    assert (part["times"], file["times"]) == ("part", "file")
    assert len(part["turns"]) > 1
    for here, there in zip(part["turns"], file["turns"], strict=True):
        assert there["start"] == pytest.approx(here["start"] + 10, abs=0.002)
        assert there["end"] == pytest.approx(here["end"] + 10, abs=0.002)
    assert file["exclusive"][0]["start"] == file["turns"][0]["start"]
    own = read_rttm(tmp_path / "R/all.rttm")[PART]
    assert [turn.start for turn in own] == pytest.approx([turn["start"] for turn in file["turns"]], abs=1e-6)
    clips = sorted((tmp_path / "R/recordings" / PART / "speakers").rglob("*.wav"))
    assert float(clips[0].stem.split("-")[0]) >= 10.0
    grid = (tmp_path / "R/recordings" / PART / "turns.TextGrid").read_text()
    assert "xmax = 40\n" in grid


def test_a_manifests_reference_is_drawn_and_scored(
    root: tuple[Path, CompletedProcess], tmp_path: Path
) -> None:
    done = detect_here(root[0] / "E", tmp_path / "R", "--task", "turns", "--processes", 1)
    expected = [(0.0, 2.0, "A"), (5.0, 10.0, "B"), (28.0, 30.0, "A")]
    true = read_rttm(tmp_path / "R/reference.rttm")
    assert true.keys() == {PART}
    assert [(turn.start, turn.end, turn.speaker) for turn in true[PART]] == expected
    picture = Path("recordings") / PART / "timeline.png"
    given = tmp_path / "given.rttm"
    write_rttm(given, [Turn(PART, *span) for span in expected])
    detect_here(root[0] / "E", tmp_path / "S", "--task", "turns", "--processes", 1, "--reference", given)
    assert (tmp_path / "R" / picture).read_bytes() == (tmp_path / "S" / picture).read_bytes()
    (call,) = [line for line in done.stdout.splitlines() if "diar score der" in line]
    assert call.startswith("1 recording with a reference: ")
    scored = run_diar(*shlex.split(call.partition(": diar ")[2]))
    assert scored.returncode == 0, scored.stderr
    assert PART in scored.stdout


def test_a_changed_manifest_takes_effect_without_new_work(
    root: tuple[Path, CompletedProcess], tiny_model_dir: Path, segmentation_dir: Path, tmp_path: Path
) -> None:
    folder = root[0]
    before = {path: path.stat().st_mtime_ns for path in (folder / "E").rglob("*.wav*.parquet")}
    manifest = write_manifest(folder / "audio", speakers=2)
    lines = manifest.read_text().splitlines()
    lines[-1] = json.dumps({**json.loads(lines[-1]), "offset": 39.0})  # another part
    manifest.write_text("\n".join(lines))
    options = ("--model_dir", tiny_model_dir, "--segmentation", segmentation_dir, "--channel", "mix")
    done = extract(manifest, folder / "E", *options, "--workers", 1)
    assert done.returncode == 3, done.stderr
    after = {path: path.stat().st_mtime_ns for path in (folder / "E").rglob("*.wav*.parquet")}
    assert before.items() <= after.items()
    assert len(after) == len(before) + 1
    index = load_index(str(folder / "E"))
    assert index.listed(index.recording_id.index(PART)).num_speakers == 2
    assert index.row(index.recording_id.index("talk.wav@39.00-59.00")).offset == 39.0
    turns(folder, tmp_path / "R")
    assert len(document(tmp_path / "R", PART)["speakers"]) == 2


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--speech", "both"], ["warning: --speech both has no effect with --segmentation none"]),
        (
            ["--lease", "30", "--cache_gigabytes", "5"],
            [
                "warning: --cache_gigabytes 5.0 has no effect without --cache_dir",
                "warning: --lease 30.0 has no effect without --join",
            ],
        ),
        ([], []),
    ],
)
def test_an_option_that_another_makes_void_is_told(
    options: list[str], told: list[str], tmp_path: Path, tiny_model_dir: Path
) -> None:
    """`extract` gives `--segmentation none`."""
    (tmp_path / "in").mkdir()
    sf.write(tmp_path / "in" / "noise.wav", 0.1 * np.random.default_rng(0).standard_normal(RATE), RATE)
    done = extract(tmp_path / "in", tmp_path / "E", "--model_dir", tiny_model_dir, "--workers", 1, *options)
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stderr.splitlines() if "no effect" in line] == told
