"""Stage 1 through its real command: two workers, a real network, real files."""

import json
import os
import re
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import torch

from diar.models.encoders.wespeaker import open_model_dir
from diar.models.features import Fbank, cmn
from diar.store.layout import Layout
from diar.store.reader import load_index
from tests.commands import ROOT, extract, run, run_diar, run_module, start_extract, write_archive, write_noise
from tests.jobs.extract.comparison import assert_same_extraction, read_tracks

DURATIONS = [0.5, 1.0, 1.0, 1.5, 2.0, 3.1, 3.1, 40.0, 70.0, 0.9, *[1.2] * 20]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_archive(tmp_path_factory.mktemp("archive"), DURATIONS)


@pytest.fixture(scope="module")
def output(archive: Path, tiny_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two workers make of the archive."""
    folder = tmp_path_factory.mktemp("two-workers") / "out"
    done = extract(archive, folder, "--model_dir", tiny_model_dir, "--workers", 2)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_input_tree_is_mirrored_with_a_row_for_every_window(archive: Path, output: Path) -> None:
    index = load_index(str(output))
    inputs = sorted(path.relative_to(archive).as_posix() for path in archive.rglob("*.wav"))
    assert sorted(index.recording_id) == inputs
    assert index.recording_id == [f"part_{p}/{i}.wav" for p in (0, 1) for i in range(p, len(DURATIONS), 2)]
    for recording_id, duration in zip(index.recording_id, index.duration, strict=True):
        tracks = read_tracks(output, recording_id)
        expected = max(1, 1 + int(np.ceil((duration - 1.0) / 0.5 - 1e-9)))
        assert len(tracks) == expected, recording_id
        assert tracks["start"][0].as_py() == 0.0
        assert tracks["end"][-1].as_py() == pytest.approx(duration)
    assert np.allclose(np.linalg.norm(index.embedding, axis=1), 1, atol=1e-5)


def test_statistics_and_status_tell_what_happened(archive: Path, output: Path) -> None:
    statistics = json.loads((output / "extraction_stats.json").read_text())
    assert statistics["recordings"]["ok"] == len(DURATIONS)
    assert statistics["audio_hours"] == pytest.approx(sum(DURATIONS) / 3600, rel=1e-3)
    ranks = statistics["this_run"]["ranks"]
    assert [rank["rank"] for rank in ranks] == [0, 1]
    assert all(rank["device"].startswith("cpu") for rank in ranks)
    assert sum(rank["files"] for rank in ranks) == len(DURATIONS)
    run = statistics["this_run"]
    assert 0 < run["working_seconds"] <= run["seconds"]
    assert sum(run["loop"].values()) == pytest.approx(1)
    told = run_diar("status", output)
    assert told.returncode == 0
    assert f"finished: {len(DURATIONS)} of {len(DURATIONS)} recordings are done, none failed" in told.stdout


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 3])
def test_any_number_of_workers_gives_the_same_output(
    archive: Path, output: Path, tiny_model_dir: Path, tmp_path: Path, workers: int
) -> None:
    traced = ("--profile",) if workers == 1 else ()
    done = extract(archive, tmp_path / "out", "--model_dir", tiny_model_dir, "--workers", workers, *traced)
    assert done.returncode == 0, done.stderr
    assert_same_extraction(output, tmp_path / "out")
    assert Path(Layout(str(tmp_path / "out")).profile(0)).exists() == bool(traced)


@pytest.mark.slow
def test_torchrun_does_the_same_job(
    archive: Path, output: Path, tiny_model_dir: Path, tmp_path: Path
) -> None:
    script = ROOT / "extract_embeddings_multigpu.py"
    arguments = ("--input_dir", archive, "--output_dir", tmp_path / "out", "--model_dir", tiny_model_dir)
    torchrun = ("torch.distributed.run", "--standalone", "--nproc-per-node", 2, script)
    done = run_module(*torchrun, *arguments, "--device", "cpu", "--segmentation", "none")
    assert done.returncode == 0, done.stderr
    assert_same_extraction(output, tmp_path / "out")


def test_running_again_does_nothing_and_new_and_changed_files_are_added(
    tiny_model_dir: Path, tmp_path: Path
) -> None:
    archive = write_archive(tmp_path / "archive", [1.0] * 20)
    out, model = tmp_path / "out", ("--model_dir", tiny_model_dir)
    assert extract(archive, out, *model).returncode == 0
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.wav.parquet")}
    write_noise(archive / "part_0" / "new.wav", 2.0, 99)
    write_noise(archive / "part_1" / "1.wav", 3.0, 98)
    assert (
        extract(archive / "part_0" / "..", out, *model).returncode == 0
    )  # the same archive, spelt otherwise
    changed = {path.name for path, mtime in before.items() if path.stat().st_mtime_ns != mtime}
    assert changed == {"1.wav.parquet"}
    index = load_index(str(out))
    assert (len(index), index.unfinished) == (21, 0)
    assert dict(zip(index.recording_id, index.duration, strict=True))["part_1/1.wav"] == pytest.approx(3.0)
    statistics = json.loads((out / "extraction_stats.json").read_text())
    assert statistics["this_run"]["recordings"] == 2


def test_what_left_the_archive_leaves_the_index_and_comes_back_for_free(
    tiny_model_dir: Path, tmp_path: Path
) -> None:
    archive, out = write_archive(tmp_path / "archive", [1.0] * 6), tmp_path / "out"
    model = ("--model_dir", tiny_model_dir, "--workers", 1)
    (archive / "bad.wav").write_text("no audio")
    assert extract(archive, out, *model).returncode == 3
    (archive / "bad.wav").unlink()
    away = tmp_path / "away.wav"
    (archive / "part_0/0.wav").rename(away)
    fewer = extract(archive, out, *model)
    assert fewer.returncode == 0, fewer.stderr
    assert "2 recordings are no longer in the archive" in fewer.stderr
    assert len(load_index(str(out))) == 5
    away.rename(archive / "part_0/0.wav")
    before = (out / "part_0/0.wav.parquet").stat().st_mtime_ns
    assert extract(archive, out, *model).returncode == 0
    assert (out / "part_0/0.wav.parquet").stat().st_mtime_ns == before
    assert load_index(str(out)).unfinished == 0


def test_a_recording_that_fails_now_keeps_no_old_tracks(tiny_model_dir: Path, tmp_path: Path) -> None:
    archive, out = write_archive(tmp_path / "archive", [1.0] * 2), tmp_path / "out"
    model = ("--model_dir", tiny_model_dir, "--workers", 1)
    assert extract(archive, out, *model).returncode == 0
    (archive / "part_0/0.wav").write_text("damaged since")
    assert extract(archive, out, *model).returncode == 3
    assert not (out / "part_0/0.wav.parquet").exists()
    assert load_index(str(out)).status == ["undecodable", "ok"]


@pytest.mark.slow
def test_a_lost_plan_is_made_again_from_what_is_published(tiny_model_dir: Path, tmp_path: Path) -> None:
    archive, out = write_archive(tmp_path / "archive", [1.0] * 20), tmp_path / "out"
    model = ("--model_dir", tiny_model_dir, "--workers", 1)
    assert extract(archive, out, *model).returncode == 0
    write_noise(archive / "part_0" / "new.wav", 2.0, 99)
    assert extract(archive, out, *model).returncode == 0
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.wav.parquet")}
    Path(Layout(str(out)).plan).unlink()
    assert extract(archive, out, *model).returncode == 0
    index = load_index(str(out))
    assert (len(index), index.unfinished) == (21, 0)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.wav.parquet")} == before


def test_another_model_setting_or_archive_in_the_same_output_is_refused(
    archive: Path, output: Path, tiny_model_dir: Path, tmp_path: Path
) -> None:
    before = sorted((path, path.stat().st_mtime_ns) for path in output.rglob("*.wav.parquet"))
    other_window = extract(archive, output, "--model_dir", tiny_model_dir, "--window", 2)
    assert other_window.returncode == 2
    assert "window: 1.0 there, 2.0 now" in other_window.stderr
    assert "Traceback" not in other_window.stderr
    other_archive = extract(archive / "part_0", output, "--model_dir", tiny_model_dir)
    assert other_archive.returncode == 2
    assert "input_dir" in other_archive.stderr
    assert sorted((path, path.stat().st_mtime_ns) for path in output.rglob("*.wav.parquet")) == before


@pytest.mark.slow
def test_overwrite_removes_what_the_earlier_extraction_wrote_and_nothing_else(
    tiny_model_dir: Path, tmp_path: Path
) -> None:
    archive, out = write_archive(tmp_path / "archive", [1.0] * 4), tmp_path / "out"
    assert extract(archive, out, "--model_dir", tiny_model_dir).returncode == 0
    (out / "mine.txt").write_text("keep")
    (archive / "part_0" / "0.wav").unlink()
    options = ("--model_dir", tiny_model_dir, "--window", 2, "--overwrite")
    assert extract(archive, out, *options).returncode == 0
    assert (out / "mine.txt").read_text() == "keep"
    assert not (out / "part_0" / "0.wav.parquet").exists()
    assert len(load_index(str(out))) == 3


def test_status_tells_a_stopped_run_from_a_running_one(
    archive: Path, tiny_model_dir: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    process = start_extract(archive, out, "--model_dir", tiny_model_dir, start_new_session=True)
    progress = Path(Layout(str(out)).progress(0))
    deadline = time.monotonic() + 240
    while not progress.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    running = run_diar("status", out)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if "running: " not in running.stdout:  # it may have finished in the meantime, and only then
        assert f"{len(DURATIONS)} of {len(DURATIONS)}" in running.stdout
        return
    assert running.returncode == 1
    time.sleep(1)  # the workers notice that their launcher is gone
    stopped = run_diar("status", out)
    assert (stopped.returncode, "stopped before the end: " in stopped.stdout) in [(1, True), (0, False)]
    assert re.search(rf"running: \d+ of {len(DURATIONS)} recordings are done\n", running.stdout)
    if stopped.returncode:
        assert f"\n  diar extract --input_dir {archive} --output_dir {out} …" in stopped.stdout


def test_dry_run_tells_and_writes_nothing(archive: Path, tmp_path: Path) -> None:
    done = extract(archive, tmp_path / "out", "--dry_run")
    assert done.returncode == 0, done.stderr
    assert f"recordings   {len(DURATIONS)}" in done.stdout
    assert "shards" in done.stdout
    assert not (tmp_path / "out").exists()


def test_one_chunk_gives_what_the_plain_forward_pass_gives(
    archive: Path, output: Path, tiny_model_dir: Path
) -> None:
    model = open_model_dir(tiny_model_dir)
    index = load_index(str(output))
    row = index.recording_id.index("part_1/5.wav")
    samples, _ = sf.read(archive / "part_1" / "5.wav", dtype="float32")
    with torch.inference_mode():
        expected = model.encoder(cmn(Fbank(model.fbank)(torch.from_numpy(samples)[None])))[0].numpy()
    assert index.embedding[row] @ (expected / np.linalg.norm(expected)) > 0.99999


def test_output_inside_input_is_not_taken_for_audio(tiny_model_dir: Path, tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "archive", [1.0] * 3)
    out = archive / "embeddings"
    for _ in range(2):
        assert extract(archive, out, "--model_dir", tiny_model_dir).returncode == 0
        assert len(load_index(str(out))) == 3


def test_an_object_store_is_written_and_resumed(tiny_model_dir: Path, tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "archive", [1.0] * 3)
    url = f"local://{tmp_path / 'bucket'}"
    for _ in range(2):
        done = extract(archive, url, "--model_dir", tiny_model_dir)
        assert done.returncode == 0, done.stderr
    assert len(load_index(url)) == 3


@pytest.mark.slow
def test_a_second_run_into_the_same_output_waits_and_gives_up(
    tiny_model_dir: Path, tmp_path: Path, archive: Path
) -> None:
    import fcntl

    out = tmp_path / "out"
    lock = Path(Layout(str(out)).lock)
    lock.parent.mkdir(parents=True)
    with lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        done = extract(archive, out, "--model_dir", tiny_model_dir)
    assert done.returncode == 2
    assert "another run is writing" in done.stderr


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
@pytest.mark.gpu
def test_a_gpu_gives_the_same_embeddings(
    archive: Path, output: Path, tiny_model_dir: Path, tmp_path: Path
) -> None:
    options = ("--input_dir", archive, "--output_dir", tmp_path / "out", "--model_dir", tiny_model_dir)
    done = run("extract_embeddings_multigpu.py", *options, "--device", "cuda", "--segmentation", "none")
    assert done.returncode == 0, done.stderr
    assert_same_extraction(output, tmp_path / "out", cosine=0.9999)
    statistics = json.loads((tmp_path / "out" / "extraction_stats.json").read_text())
    assert statistics["this_run"]["ranks"][0]["device"].startswith("cuda")


@pytest.mark.parametrize("rate", [8000, 44100])
def test_other_rates_are_resampled(tiny_model_dir: Path, tmp_path: Path, rate: int) -> None:
    write_noise(tmp_path / "archive" / "a.wav", 2.0, 1, rate=rate)
    done = extract(tmp_path / "archive", tmp_path / "out", "--model_dir", tiny_model_dir, "--workers", 1)
    assert done.returncode == 0, done.stderr
    index = load_index(str(tmp_path / "out"))
    assert index.duration[0] == pytest.approx(2.0, abs=1e-3)
