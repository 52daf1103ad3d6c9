"""Stage 2 as a whole, from an index on disk to folders, JSON, table and plot."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from diar.archive.listing import Recording
from diar.errors import DiarError
from diar.formats.result_json import RESULT_NAME, DetectionResult, read_result
from diar.jobs.detect.boundaries import DetectError, detect_boundaries
from diar.jobs.detect.config import DetectConfig
from diar.jobs.extract.plan import ShardLimits, make_plan, save_plan
from diar.outputs.boundaries import PLOT_NAME
from diar.records import RecordingRow
from diar.score.boundary_score import score_boundaries
from diar.store.layout import Layout
from diar.store.schema import SCHEMA_VERSION
from diar.store.writer import Writer
from tests.detect.boundaries.synthetic import Archive, make_archive

SIZES = [14, 11, 16, 12, 13]
SPEAKERS = [0, 1, 0, 2, 3]
ODD = [19, 45]
FAILED = 30
METADATA = {"model": "m", "model_sha256": "s", "fingerprint": "f"}


def name_of(position: int) -> str:
    return f"part {position // 25}/{position}.wav"


def write_index(root: Path, archive: Archive, failed: tuple[int, ...] = (FAILED,)) -> None:
    """Audio files (their content does not matter) and the index that stage 1 would write for them."""
    listed, rows = [], []
    for i, vector in enumerate(archive.embeddings):
        audio = root / "audio" / name_of(i)
        audio.parent.mkdir(parents=True, exist_ok=True)
        audio.write_bytes(b"audio")
        listed.append(Recording(name_of(i), str(audio), 5, 1.0))
        row = RecordingRow(name_of(i), str(audio), duration=2.0, speech_seconds=2.0, embedding=vector)
        if i in failed:
            row = RecordingRow(name_of(i), str(audio), status="undecodable", error="no audio in it")
        rows.append(row)
    layout = Layout(str(root / "E"))
    writer = Writer(layout, archive.embeddings.shape[1], METADATA)
    save_plan(layout, make_plan(listed, ShardLimits(10_000, 10**9)))
    config = {"schema_version": SCHEMA_VERSION, "input_dir": str(root / "audio"), "metadata": METADATA}
    Path(layout.config).write_text(json.dumps(config))
    writer.write_shard(0, rows)


def write_truth(root: Path, archive: Archive) -> Path:
    blocks = np.repeat(np.arange(len(SIZES)), SIZES)
    lines = ["path,speaker,block,odd"]
    for i, block in enumerate(blocks):
        speaker = "someone" if archive.odd[i] else SPEAKERS[block]
        lines.append(f"{name_of(i)},{speaker},{block},{int(archive.odd[i])}")
    (root / "truth.csv").write_text("\n".join(lines) + "\n")
    return root / "truth.csv"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    archive = make_archive(SIZES, speakers=SPEAKERS, odd=ODD, noise=0.35, seed=1)
    write_index(tmp_path, archive)
    write_truth(tmp_path, archive)
    return tmp_path


def detect(root: Path, **options: object) -> DetectionResult:
    return detect_boundaries(
        DetectConfig(embeddings_dir=str(root / "E"), output_dir=str(root / "R"), **options)
    )


@pytest.mark.parametrize(
    "options", [{}, {"segment_size": 13}, {"segment_size": 13, "use_gmm": True, "debug": True}]
)
def test_an_archive_becomes_speaker_folders(options: dict, root: Path) -> None:
    result = detect(root, **options)
    assert read_result(root / "R" / RESULT_NAME) == result
    assert [b.index for b in result.boundaries] == np.cumsum(SIZES)[:-1].tolist()
    assert [segment.speaker[-1] for segment in result.segments] == ["1", "2", "1", "3", "4"]
    assert [file.index for file in result.odd_files] == ODD
    assert [(file.path, file.status) for file in result.not_used] == [(name_of(FAILED), "undecodable")]
    score = score_boundaries(root / "truth.csv", root / "R" / RESULT_NAME)
    assert (score.boundaries[0].f1, score.purity, score.coverage) == (1.0, 1.0, 1.0)
    assert score.odd_files is not None and score.odd_files.f1 == 1.0
    output = root / "R"
    of_first = {
        p.relative_to(output / "speaker_001").as_posix() for p in (output / "speaker_001").rglob("*.wav")
    }
    assert of_first == {name_of(i) for i in [*range(14), *range(25, 41)] if i != FAILED}
    assert (output / "odd_files" / "speaker_002" / name_of(19)).read_bytes() == b"audio"
    assert (output / PLOT_NAME).stat().st_size > 10_000
    assert (output / "_detection" / "debug.json").exists() == options.get("debug", False)
    rows = list(csv.DictReader((output / "files.csv").open(newline="")))
    assert [row["path"] for row in rows if row["odd"]] == [name_of(i) for i in ODD]


def test_debug_lists_the_candidates_of_each_boundary(root: Path) -> None:
    result = detect(root, debug=True, place="none", plot=False)
    records = json.loads((root / "R" / "_detection" / "debug.json").read_text())
    assert [record["index"] for record in records] == [b.index for b in result.boundaries]
    for record in records:
        best = max(record["candidates"], key=lambda candidate: candidate["score"])
        assert best["index"] == record["index"]


def test_expected_places_are_told(root: Path) -> None:
    result = detect(root, segment_size=13, place="none", plot=False)
    assert [b.expected for b in result.boundaries][:2] == [13, 27]
    assert {b.method for b in result.boundaries} == {"cosine"}
    assert {b.method for b in detect(root, place="none", plot=False).boundaries} == {"changepoint"}


def test_each_folder_can_be_a_sequence(root: Path) -> None:
    result = detect(root, sequence_by="folder", place="none", plot=False)
    assert [segment.sequence for segment in result.segments] == ["part 0"] * 2 + ["part 1"] * 2 + [
        "part 2"
    ] * 2
    assert [b.index for b in result.boundaries] == [14, 41, 53]
    assert [segment.speaker[-1] for segment in result.segments] == ["1", "2", "1", "3", "3", "4"]


def test_two_runs_give_the_same_result(root: Path) -> None:
    first, second = detect(root), detect(root)
    assert first == second


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"segment_size": 500}, r"--segment_size 500 is larger than the archive \(65 usable"),
        ({"segment_size": 26, "sequence_by": "folder"}, r"larger than the longest folder \(25 usable"),
        ({"audio_dir": "/nowhere"}, r"65 of 65 audio files not found.*`audio_dir`"),
    ],
)
def test_bad_requests(options: dict, message: str, root: Path) -> None:
    with pytest.raises(DiarError, match=message):
        detect(root, **options)
    assert not (root / "R").exists()


def test_an_archive_without_any_embedding(tmp_path: Path) -> None:
    write_index(tmp_path, make_archive([3]), failed=(0, 1, 2))
    with pytest.raises(DetectError, match="none of 3 recordings"):
        detect(tmp_path)


@pytest.mark.parametrize("count", [1, 2])
def test_one_or_two_files_are_one_segment(count: int, tmp_path: Path) -> None:
    write_index(tmp_path, make_archive([count]), failed=())
    result = detect(tmp_path)
    assert (len(result.segments), len(result.boundaries), result.speakers[0].count) == (1, 0, count)
    assert (tmp_path / "R" / PLOT_NAME).exists()
