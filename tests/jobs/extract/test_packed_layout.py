"""`--layout packed` through the real commands: the same content as mirrored, and resumed by the shard."""

import json
from pathlib import Path

import numpy as np
import pytest

from diar import storage
from diar.jobs.extract.config import ExtractConfig
from diar.jobs.extract.prepare import ExtractError, Identity, check_same_extraction, remove_extraction
from diar.store.layout import Layout
from diar.store.reader import load_index, read_tracks
from diar.store.schema import SCHEMA_VERSION
from tests.commands import extract, write_archive, write_noise
from tests.store.test_packed import write_packed

DURATIONS = [1.0, 1.2, 2.0, 0.7] * 5


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_archive(tmp_path_factory.mktemp("archive"), DURATIONS)
    (folder / "part_1" / "bad.wav").write_text("no audio")
    return folder


def ok_ids(output: Path) -> list[str]:
    index = load_index(str(output))
    return [name for name, status in zip(index.recording_id, index.status, strict=True) if status == "ok"]


def tracks_files(output: Path) -> set[str]:
    found = (path.relative_to(output).as_posix() for path in output.rglob("*.parquet"))
    return {path for path in found if not path.startswith("_extraction")}


@pytest.mark.slow
def test_a_packed_extraction_is_resumed_by_the_shard(
    archive: Path, tiny_model_dir: Path, tmp_path: Path
) -> None:
    out, model = tmp_path / "out", ("--model_dir", tiny_model_dir, "--workers", 1)
    assert extract(archive, out, *model, "--layout", "packed").returncode == 3
    files = {"part_0/shard_00000.parquet", "part_1/shard_00000.parquet", "part_1/shard_00001.parquet"}
    assert tracks_files(out) == files
    before = {name: read_tracks(str(out), name) for name in ok_ids(out)}
    assert len(before) == len(DURATIONS)

    # One file changes, the bad one is mended, and a shard's index is lost: three shards are done
    write_noise(archive / "part_0" / "0.wav", 3.0, 98)
    write_noise(archive / "part_1" / "bad.wav", 1.0, 99)
    (out / "part_1" / ".diar-left.tmp").write_text("of a killed run")
    Path(Layout(str(out)).shard(1)).unlink()
    assert extract(archive, out, *model, "--layout", "packed", "--retry_failed").returncode == 0
    assert ok_ids(out) == load_index(str(out)).recording_id
    assert load_index(str(out)).unfinished == 0
    assert not list(out.rglob("*.tmp"))
    assert read_tracks(str(out), "part_0/0.wav").tracks.end[-1] == pytest.approx(3.0)
    for name in before.keys() - {"part_0/0.wav"}:
        again = read_tracks(str(out), name)
        np.testing.assert_allclose(again.tracks.embedding, before[name].tracks.embedding, atol=2**-10)


def test_overwriting_removes_packed_files_and_nothing_else(tmp_path: Path) -> None:
    names = ["a/1.wav", "a/2.wav", "b/3.wav", "top.wav"]
    write_packed(tmp_path, dict.fromkeys(names, 1))
    (tmp_path / "a" / "mine.parquet").write_text("keep")
    remove_extraction(Layout(str(tmp_path)))
    assert tracks_files(tmp_path) == {"a/mine.parquet"}


def test_another_layout_in_the_same_output_is_refused(tmp_path: Path) -> None:
    config = ExtractConfig(input_dir=str(tmp_path), output_dir=str(tmp_path / "out"), layout="packed")
    layout = Layout(config.output_dir)
    identity = Identity({"step": 5.0}, "f")
    record = {
        "schema_version": SCHEMA_VERSION,
        "settings": identity.settings,
        "input_dir": str(tmp_path),
        "metadata": {"model": "m"},
    }
    storage.write_bytes_atomic(layout.config, json.dumps(record).encode())  # of the time before packed ones
    with pytest.raises(ExtractError, match="layout: 'mirror' there, 'packed' now"):
        check_same_extraction(config, layout, identity)
    storage.write_bytes_atomic(layout.config, json.dumps({**record, "layout": "packed"}).encode())
    check_same_extraction(config, layout, identity)
