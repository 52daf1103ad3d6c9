"""A process decodes as a thread does, and what it dies of costs one recording."""

import json
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile as sf

from diar.archive.recording import Recording
from diar.embedding.chunks import ChunkSettings
from diar.jobs.extract.decoding.process import DecodeProcess
from diar.reading import ReadChunk, ReadSettings, read_recording
from diar.records import OK, RecordingRow
from diar.store.layout import Layout
from tests.commands import RATE, extract, start_extract, write_noise
from tests.jobs.extract.comparison import assert_same_extraction

SETTINGS = ReadSettings(ChunkSettings.from_seconds(RATE, chunk=2.0, window=1.0, hop=0.5), "mix", 0.1)


@pytest.fixture(scope="module")
def process() -> Iterator[DecodeProcess]:
    with DecodeProcess(SETTINGS, 60.0) as process:
        yield process


def recording(path: Path) -> Recording:
    size = path.stat().st_size if path.exists() else 0
    return Recording(path.name, str(path), size, 1.0)


def flat(items: list[ReadChunk | RecordingRow]) -> list[object]:
    """What can be compared at once."""
    seen: list[object] = []
    for item in items:
        if isinstance(item, RecordingRow):
            seen.append(item)
        else:
            chunk = item.chunk
            place = (chunk.index, chunk.start, chunk.core, chunk.last)
            seen.append((place, item.share, chunk.samples.tobytes()))
    return seen


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("long.wav", OK),
        ("long.mp3", OK),
        ("short.wav", "too_short"),
        ("text.wav", "undecodable"),
        ("zeros.wav", "silent"),
        ("none.wav", "missing"),
    ],
)
def test_it_gives_what_reading_in_the_same_process_gives(
    process: DecodeProcess, tmp_path: Path, name: str, status: str
) -> None:
    path = tmp_path / name
    if name == "long.mp3":
        write_noise(tmp_path / "long.wav", 7.3, 1)
        sf.write(path, sf.read(tmp_path / "long.wav")[0], RATE)
    elif name == "text.wav":
        path.write_text("this is no audio\n" * 50)
    elif name == "zeros.wav":
        sf.write(path, np.zeros(3 * RATE), RATE)
    elif status != "missing":
        write_noise(path, 7.3 if status == OK else 0.05, 1)
    wanted = flat(list(read_recording(recording(path), SETTINGS)))
    assert flat(list(process.read(recording(path)))) == wanted
    assert isinstance(wanted[-1], RecordingRow)
    assert wanted[-1].status == status
    assert len(wanted) == {OK: 4, "silent": 2}.get(status, 1)


@pytest.mark.parametrize("times", [1, 2])
def test_killed_once_it_goes_on_and_killed_twice_it_costs_one_recording(tmp_path: Path, times: int) -> None:
    write_noise(tmp_path / "a.wav", 20.0, 1)
    wanted = flat(list(read_recording(recording(tmp_path / "a.wav"), SETTINGS)))
    before = set(multiprocessing.active_children())
    with DecodeProcess(SETTINGS, 60.0) as process:
        items = process.read(recording(tmp_path / "a.wav"))
        got = []
        for _ in range(times):
            got.append(next(items))
            (child,) = set(multiprocessing.active_children()) - before
            os.kill(child.pid or 0, signal.SIGKILL)
        got += items
        if times == 1:
            assert flat(got) == wanted
        else:
            assert 1 < len(got) < len(wanted)
            assert flat(got)[:-1] == wanted[: len(got) - 1]
            row = got[-1]
            assert isinstance(row, RecordingRow)
            assert (row.status, row.error) == ("error", "the decoding process was killed by SIGKILL, twice")
        assert flat(list(process.read(recording(tmp_path / "a.wav")))) == wanted
    assert set(multiprocessing.active_children()) == before


def test_it_can_be_left_in_the_middle_of_a_recording(tmp_path: Path) -> None:
    write_noise(tmp_path / "a.wav", 20.0, 1)
    with DecodeProcess(SETTINGS, 60.0) as process:
        assert isinstance(next(process.read(recording(tmp_path / "a.wav"))), ReadChunk)


@pytest.mark.slow
def test_stage_1_decodes_in_processes_and_leaves_none_behind(tiny_model_dir: Path, tmp_path: Path) -> None:
    archive, wanted, out = (tmp_path / name for name in ("archive", "threads", "processes"))
    archive.mkdir()
    noise = 0.1 * np.random.default_rng(0).standard_normal(8 * RATE)
    for number in range(240):
        sf.write(archive / f"{number}.mp3", noise[: (1 + number % 8) * RATE], RATE)
    (archive / "broken.mp3").write_bytes(b"no MP3")
    options = ("--model_dir", tiny_model_dir, "--workers", 1, "--decode_in")
    assert extract(archive, wanted, *options, "threads").returncode == 3

    launcher = start_extract(archive, out, *options, "processes")
    layout, deadline = Layout(str(out)), time.monotonic() + 240
    report = Path(layout.progress(0))
    while not (report.exists() and list(out.rglob("*.mp3.parquet"))) and time.monotonic() < deadline:
        time.sleep(0.05)
    worker = psutil.Process(json.loads(report.read_text())["pid"])
    decoding = worker.children()
    assert len(decoding) == 2
    launcher.kill()
    launcher.wait()
    _, left = psutil.wait_procs([worker, *decoding], timeout=60)
    assert not left
    again = extract(archive, out, *options, "processes")
    assert again.returncode == 3, again.stderr
    assert "undecodable: broken.mp3" in again.stderr
    assert_same_extraction(wanted, out)
