"""Long recordings: shared by ranks, and resumed within, with the same output."""

import json
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch.distributed as dist

from diar.archive.recording import Recording
from diar.embedding.chunks import Chunk
from diar.embedding.rows import ChunkEmbeddings, TrackRows
from diar.intervals import IntervalLists
from diar.jobs.extract.plan import Key
from diar.jobs.extract.prepare import remove_extraction
from diar.jobs.extract.sections import RecordingSections, Sections, shared_shards, stored_chunks
from diar.jobs.progress.reporter import read_ranks
from diar.reading import ReadChunk
from diar.store.layout import Layout
from diar.store.reader import load_index
from tests.commands import extract, start_extract, write_noise

MINUTES = 15
_NONE = np.empty((0, 2), np.int64)
_ROWS = TrackRows(_NONE, _NONE[:, 0], IntervalLists.of([]), _NONE[:, 0], _NONE, _NONE, _NONE[:, 0])
SAID = ChunkEmbeddings(None, _NONE, _ROWS, False, np.zeros(2), 1, _NONE, _NONE)  # of a silent chunk


def model_options(model_dir: Path) -> tuple[object, ...]:
    """One thread a worker: then it does not matter to the last bit how many workers there are."""
    return "--model_dir", model_dir, "--threads", 1


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("long")
    write_noise(folder / "archive" / "long.wav", MINUTES * 60 + 7.3, 1)
    write_noise(folder / "archive" / "short.wav", 5.0, 2)
    return folder / "archive"


@pytest.fixture(scope="module")
def alone(archive: Path, tiny_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one worker makes of the archive."""
    out = tmp_path_factory.mktemp("alone") / "out"
    done = extract(archive, out, *model_options(tiny_model_dir), "--workers", 1)
    assert done.returncode == 0, done.stderr
    return out


def assert_same_output(out: Path, alone: Path) -> None:
    for name in ("long.wav", "short.wav"):
        assert (out / f"{name}.parquet").read_bytes() == (alone / f"{name}.parquet").read_bytes()
    found, expected = load_index(str(out)), load_index(str(alone))
    assert found.recording_id == expected.recording_id
    assert (found.embedding == expected.embedding).all()
    assert not list((out / "_extraction" / "sections").rglob("*.npz")), "they are deleted in the end"


def test_several_workers_share_a_recording(
    archive: Path, alone: Path, tiny_model_dir: Path, tmp_path: Path
) -> None:
    done = extract(archive, tmp_path / "out", *model_options(tiny_model_dir), "--workers", 2)
    assert done.returncode == 0, done.stderr
    assert_same_output(tmp_path / "out", alone)
    run = json.loads((tmp_path / "out" / "extraction_stats.json").read_text())["this_run"]
    audio = [rank["audio_seconds"] for rank in run["ranks"]]
    assert sum(audio) == pytest.approx(MINUTES * 60 + 12.3, abs=0.1)
    assert min(audio) > 60, "both were at the long one"
    assert sum(rank["files"] for rank in run["ranks"]) == 2
    size = sum(file.stat().st_size for file in archive.iterdir())
    assert sum(rank["bytes"] for rank in run["ranks"]) == pytest.approx(size, rel=1e-3)


@pytest.mark.slow
def test_a_killed_run_goes_on_within_the_recording(
    archive: Path, alone: Path, tiny_model_dir: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    two = (*model_options(tiny_model_dir), "--workers", 2)
    process = start_extract(archive, out, *two, start_new_session=True)
    folder = Path(Layout(str(out)).private) / "sections"
    deadline = time.monotonic() + 240
    while len(list(folder.rglob("*.npz"))) < 8 and time.monotonic() < deadline:
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    time.sleep(1)  # the worker notices that its launcher is gone
    (of_recording,) = (folder / "00000").iterdir()
    stored = 30 * len(stored_chunks(str(of_recording)))
    assert stored >= 240
    embedded = sum(rank.counters.audio_seconds for rank in read_ranks(Layout(str(out))))
    assert embedded <= stored + 120, "all that was embedded is stored, but for the last pass"
    (of_recording / ".diar-half.tmp").write_bytes(b"what a killed write leaves")
    earlier = of_recording.with_name(of_recording.name[:6] + "0" * 12)
    earlier.mkdir()
    (earlier / "000000.npz").write_bytes(b"a section as an earlier version stored it")
    done = extract(archive, out, *model_options(tiny_model_dir), "--workers", 1)
    assert done.returncode == 0, done.stderr
    assert_same_output(out, alone)
    again = json.loads((out / "extraction_stats.json").read_text())["this_run"]["audio_seconds"]
    again -= 5 if again > MINUTES * 60 + 7.4 - stored else 0  # the short one is done by then, or not
    assert again == pytest.approx(MINUTES * 60 + 7.3 - stored, abs=1.1), "a chunk is 30 s, the first 31"
    assert not (folder / "00000").exists()


def test_only_what_would_keep_a_rank_long_is_shared() -> None:
    order = [(3, 500), (1, 300), (2, 200), (0, 10)]
    assert shared_shards(order, {0, 1, 3}, 1) == []
    assert shared_shards(order, {0, 1, 3}, 2) == [3, 1]
    assert shared_shards(order, {0, 1, 2, 3}, 8) == [3, 1, 2]
    assert shared_shards(order, set(), 2) == []
    assert shared_shards([], set(), 2) == []


def test_no_recording_takes_the_sections_of_another(tmp_path: Path) -> None:
    """An extraction with another model, or a changed file that a lost plan gives the same number."""
    layout, key = Layout(str(tmp_path)), Key(0, 3)
    recording = Recording("a.wav", "/a.wav", 1000, 5.0)
    first = ReadChunk(Chunk(0, 0, np.zeros(32, np.float32), (0, 31), last=False), 0.001)

    def opened(fingerprint: str, of: Recording) -> RecordingSections:
        found = Sections(layout, dist.HashStore(), 0, frozenset(), 1, fingerprint).open(key, of, first)
        assert found is not None
        return found

    opened("one", recording).write(dict.fromkeys([7, 2, 3, 4], SAID))
    assert opened("one", recording).done == {2, 3, 4, 7}
    (folder,) = (tmp_path / "_extraction" / "sections" / "00000").iterdir()
    assert sorted(file.name for file in folder.iterdir()) == ["000002-000004.npz", "000007-000007.npz"]
    assert opened("two", recording).done == set()
    assert opened("one", replace(recording, mtime=6.0)).done == set()
    assert opened("one", replace(recording, size=999)).done == set()
    remove_extraction(layout)
    assert opened("one", recording).done == set()
    assert not (tmp_path / "_extraction" / "sections" / "00000").exists()
