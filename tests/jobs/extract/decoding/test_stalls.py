"""A recording that makes no progress fails with a reason; the others are done."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile as sf

from diar.store.layout import Layout
from diar.store.reader import failures as store_failures
from diar.store.reader import load_index
from tests.commands import RATE, extract, start_extract, write_noise

pytestmark = pytest.mark.slow


def failures(output: Path) -> dict[str, str]:
    """Kind and reason by recording."""
    rows = store_failures(Layout(str(output)))
    return {row["recording_id"]: f"{row['status']}: {row['error']}" for row in rows}


def test_pipes_devices_and_stuck_mounts_cost_one_recording_each(
    silent_server: str, tiny_model_dir: Path, tmp_path: Path
) -> None:
    audio = tmp_path / "audio"
    for number in range(6):
        write_noise(audio / f"{number}.wav", 1.0, number)
    os.mkfifo(audio / "pipe.wav")
    names = ["0.wav", "pipe.wav", "/dev/zero", f"{silent_server}/a.wav", f"{silent_server}/b.mp3"]
    lines = [{"audio_filepath": name, "recording_id": name.replace("/", "_")} for name in names]
    lines += [{"audio_filepath": f"{number}.wav"} for number in range(1, 6)]
    (audio / "list.jsonl").write_text("\n".join(map(json.dumps, lines)))
    options = ("--model_dir", tiny_model_dir, "--workers", 1, "--stall_timeout", 2, "--protocols", "http")
    done = extract(audio / "list.jsonl", tmp_path / "out", *options, timeout=600)
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr
    told = failures(tmp_path / "out")
    assert set(told) == {name.replace("/", "_") for name in names[1:]}
    assert "is a pipe, not a file" in told["pipe.wav"]
    assert "is a device, not a file" in told["_dev_zero"]
    for name in names[3:]:
        assert told[name.replace("/", "_")].startswith(
            "stalled: nothing came of it for 2 s (--stall_timeout)"
        )
    assert load_index(str(tmp_path / "out")).unfinished == 0
    listed = extract(audio, tmp_path / "listed", *options, timeout=600)  # in a folder
    assert listed.returncode == 3, listed.stderr
    assert list(failures(tmp_path / "listed")) == ["pipe.wav"]


def test_a_decoder_that_hangs_is_ended(tiny_model_dir: Path, tmp_path: Path) -> None:
    archive, out = tmp_path / "archive", tmp_path / "out"
    archive.mkdir()
    noise = 0.1 * np.random.default_rng(0).standard_normal(20 * RATE)
    for number in range(240):  # so that it is at work for long after the first is published
        sf.write(archive / f"{number}.mp3", noise[: (2 + number % 5) * RATE], RATE)
    options = ("--model_dir", tiny_model_dir, "--workers", 1, "--decode_in", "processes")
    terminal = {"stderr": subprocess.PIPE, "text": True}
    run = start_extract(archive, out, *options, "--stall_timeout", 2, **terminal)
    report, deadline = Path(Layout(str(out)).progress(0)), time.monotonic() + 240
    while not (report.exists() and list(out.rglob("*.mp3.parquet"))) and time.monotonic() < deadline:
        time.sleep(0.02)
    hung = psutil.Process(json.loads(report.read_text())["pid"]).children()[0]
    hung.send_signal(signal.SIGSTOP)  # it lives, and gives nothing any more
    _, errors = run.communicate(timeout=600)
    assert run.returncode == 3, errors
    (reason,) = failures(out).values()
    assert reason.startswith("stalled: nothing came of it for 2 s")
    assert not hung.is_running()
    assert load_index(str(out)).unfinished == 0
    again = extract(archive, out, *options, "--retry_failed")
    assert again.returncode == 0, again.stderr
