"""What users feed by accident: each gets a clear message, loses nothing else, and the exit code tells."""

from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from diar.cli import main
from diar.jobs.progress.events import read_events
from diar.store.layout import Layout
from diar.store.reader import load_index
from tests.commands import RATE, extract, run_diar, write_noise
from tests.jobs.extract.comparison import read_tracks

ODD_NAMES = [
    "with space.wav",
    "quote'\".wav",
    "new\nline.wav",
    "emoji 🎙️ ünï.wav",
    "x" * 246 + ".wav",  # 250 characters: no room for a suffix
    "100% {brace} [x]#?&.wav",
    "same.flac",
    "same.wav",
]


@pytest.fixture(scope="module")
def result(tiny_model_dir: Path, tmp_path_factory: pytest.TempPathFactory):
    """One run over an archive of good files with difficult names and of bad files."""
    folder = tmp_path_factory.mktemp("bad")
    archive = folder / "my archive"
    for seed, name in enumerate(ODD_NAMES):
        write_noise(archive / "good" / name, 1.0, seed)
    bad = archive / "bad"
    bad.mkdir()
    (bad / "empty.wav").write_bytes(b"")
    sf.write(bad / "zeros.wav", np.zeros(RATE), RATE)
    write_noise(bad / "short.wav", 0.05, 1)
    (bad / "text.wav").write_text("this is no audio\n" * 50)
    sf.write(bad / "nan.wav", np.full(RATE, np.nan, np.float32), RATE, subtype="FLOAT")
    (bad / "dangling.wav").symlink_to(folder / "nowhere.wav")
    half_nan = np.random.default_rng(0).standard_normal(2 * RATE).astype(np.float32) * 0.1
    half_nan[RATE : RATE + 1600] = np.nan
    sf.write(archive / "good" / "some nan.wav", half_nan, RATE, subtype="FLOAT")
    done = extract(archive, folder / "out", "--model_dir", tiny_model_dir)
    return done, load_index(str(folder / "out")), folder / "out"


def test_bad_files_are_reported_and_the_exit_code_tells(result) -> None:
    done, index, out = result
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    status = {Path(key).name: status for key, status in zip(index.recording_id, index.status, strict=True)}
    bad = {name: kind for name, kind in status.items() if kind != "ok"}
    assert bad == {
        "empty.wav": "empty",
        "zeros.wav": "silent",
        "short.wav": "too_short",
        "text.wav": "undecodable",
        "nan.wav": "undecodable",
        "dangling.wav": "missing",
    }
    for name in bad:
        assert name in done.stderr
    listed = run_diar("status", out, "--failures")
    assert listed.returncode == 3
    assert all(name in listed.stdout for name in bad)


def test_difficult_names_lose_nothing(result) -> None:
    _, index, out = result
    good = [key for key, status in zip(index.recording_id, index.status, strict=True) if status == "ok"]
    assert sorted(good) == sorted(f"good/{name}" for name in [*ODD_NAMES, "some nan.wav"])
    for recording_id in good:
        assert set(read_tracks(out, recording_id)["recording_id"].to_pylist()) == {recording_id}


def test_samples_that_are_not_numbers_become_a_gap(result) -> None:
    import pyarrow.parquet as pq

    _, _, out = result
    rows = [
        row for shard in (out / "_extraction/shards").iterdir() for row in pq.read_table(shard).to_pylist()
    ]
    gaps = next(row["gaps"] for row in rows if row["recording_id"] == "good/some nan.wav")
    assert len(gaps) == 1
    assert (gaps[0]["start"], gaps[0]["end"]) == pytest.approx((1.0, 1.1), abs=1e-3)


@pytest.mark.slow
def test_failed_recordings_are_tried_again_when_asked(tiny_model_dir: Path, tmp_path: Path) -> None:
    archive, out = tmp_path / "archive", tmp_path / "out"
    write_noise(archive / "a.wav", 1.0, 0)
    target = tmp_path / "later.wav"
    (archive / "b.wav").symlink_to(target)
    assert extract(archive, out, "--model_dir", tiny_model_dir).returncode == 3
    write_noise(target, 1.0, 1)
    again = extract(archive, out, "--model_dir", tiny_model_dir, "--retry_failed")
    assert again.returncode == 0, again.stderr
    assert load_index(str(out)).status == ["ok", "ok"]


def test_an_archive_without_a_readable_file_ends_with_failures(tiny_model_dir: Path, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    archive.mkdir()
    (archive / "a.wav").write_text("nothing")
    done = extract(archive, tmp_path / "out", "--model_dir", tiny_model_dir)
    assert done.returncode == 3
    assert "0 recordings embedded, 1 failed" in done.stderr


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: folder.mkdir(), "no audio files found"),
        (
            lambda folder: (folder.mkdir(), (folder / "a.txt").write_text("x")),
            "1 file there has no audio suffix",
        ),
        (lambda folder: None, "does not exist"),
    ],
    ids=["empty", "no audio", "missing"],
)
def test_an_archive_with_nothing_in_it_is_an_error(
    tiny_model_dir: Path, tmp_path: Path, make, message
) -> None:
    make(tmp_path / "archive")
    done = extract(tmp_path / "archive", tmp_path / "out", "--model_dir", tiny_model_dir)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--model_dir", "nowhere"), "nowhere"),
        (("--model", "no-such-model"), "no-such-model"),
        (("--device", "cuda"), "a GPU was asked for"),
        (("--port", "99999"), "--port"),
        (("--model", "segmentation-3.0"), "that is a segmentation model, which --segmentation takes"),
    ],
)
def test_what_cannot_work_is_said_before_workers_start(tmp_path: Path, arguments, message: str) -> None:
    import torch

    if "cuda" in arguments and torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    write_noise(tmp_path / "archive" / "a.wav", 1.0, 0)
    done = extract(tmp_path / "archive", tmp_path / "out", *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_precision_that_the_device_lacks_is_refused_before_the_plan(
    tmp_path: Path, tiny_model_dir: Path
) -> None:
    write_noise(tmp_path / "archive" / "a.wav", 1.0, 0)
    options = ("--model_dir", tiny_model_dir, "--workers", 1, "--precision", "fp16")
    done = extract(tmp_path / "archive", tmp_path / "out", *options)
    assert done.returncode == 2
    assert "error: --precision fp16 needs a GPU" in done.stderr
    assert not (tmp_path / "out").exists()


def test_the_event_log_has_every_recording_once_and_a_page_is_made_of_it(result, tmp_path: Path) -> None:
    _, index, out = result
    events = list(read_events(Layout(str(out))))
    told = {event["recording"]: event for event in events if "recording" in event}
    assert sorted(told) == sorted(index.recording_id)
    assert len([event for event in events if "recording" in event]) == len(told)
    for recording_id, status in zip(index.recording_id, index.status, strict=True):
        assert told[recording_id]["event"] == ("done" if status == "ok" else "failed")
        assert told[recording_id].get("status", "ok") == status
    ranks = {event["rank"] for event in events}
    for name in ("start", "stop"):
        assert [event["event"] for event in events].count(name) == len(ranks)
    assert main(["status", str(out), "--report", str(tmp_path / "page.html")]) == 3
    assert "What happened" in (tmp_path / "page.html").read_text()
