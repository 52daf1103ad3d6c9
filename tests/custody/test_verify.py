"""`diar verify` through the command: what is written is clean, each damage is named, repair mends it."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from diar import storage
from diar.store.layout import Layout
from diar.store.mirrored import write_mirrored
from diar.store.parquet import footer_of, with_prefix, write_table
from diar.store.reader import read_plan, read_shard, read_tracks
from diar.store.words import WordsLayout
from tests.commands import detect_here, extract, write_archive
from tests.custody.sample import copied, diar, flip, write_extraction, write_result
from tests.store.test_packed import write_packed
from tests.store.test_sealed import unsealed


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An extraction E, a result R."""
    folder = tmp_path_factory.mktemp("verify")
    write_extraction(folder)
    write_result(folder, "--manifests", "kaldi")
    return folder


@pytest.fixture
def output(root: Path, tmp_path: Path) -> Path:
    return copied(root / "E", tmp_path / "E")


@pytest.fixture
def result(root: Path, tmp_path: Path) -> Path:
    return copied(root / "R", tmp_path / "R")


def found(place: Path | str, *options: object, code: int = 3) -> dict[str, Any]:
    """What `--json` says of the only output there."""
    done = diar("verify", place, "--json", *options)
    assert done.returncode == code, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["clean"] == (code == 0)
    (only,) = told["outputs"]
    return only


def problems(place: Path) -> list[tuple[str, str, str | None]]:
    return [(one["kind"], one["where"], one["recording_id"]) for one in found(place)["problems"]]


def test_what_the_stages_write_is_clean(root: Path) -> None:
    extraction, result = found(root / "E", code=0), found(root / "R", code=0)
    assert extraction["notes"] == result["notes"] == []
    assert extraction["counts"] == {
        **{"recordings": 4, "shards": 1, "ok": 4, "failed": 0, "files": 4, "words": 4},
        "tracks": extraction["counts"]["tracks"],
    }
    assert result["counts"] == {"recordings": 4, "people": 4, "files": 4}
    told = diar("verify", root / "E").stdout.splitlines()
    assert told[0].startswith(f"{root / 'E'} (extraction): 4 recordings, ") and told[-1] == "clean"


def write_other(layout: Layout, **changes: Any) -> None:
    """Write a recording's tracks again with other values, whole and sealed."""
    stored = read_tracks(layout.root, "day 1/a.wav")
    footer = footer_of(pq.read_metadata(layout.tracks("day 1/a.wav")))
    common = {key: value for key, value in footer.items() if key not in ("recording", "segmentation_windows")}
    sha256 = write_mirrored(layout, stored.recording, replace(stored.tracks, **changes), common)
    table = read_shard(layout, 0)
    place = table.schema.get_field_index("tracks_sha256")
    column = [sha256, *table["tracks_sha256"].to_pylist()[1:]]
    footer = with_prefix(footer_of(pq.read_metadata(layout.shard(0))))
    write_table(layout.shard(0), table.set_column(place, "tracks_sha256", pa.array(column)), footer)


def longer(layout: Layout) -> None:
    embedding = read_tracks(layout.root, "day 1/a.wav").tracks.embedding.copy()
    embedding[3] *= 1.1
    write_other(layout, embedding=embedding)


def not_a_number(layout: Layout) -> None:
    start = read_tracks(layout.root, "day 1/a.wav").tracks.start.copy()
    start[3] = np.nan
    write_other(layout, start=start)


def swapped(layout: Layout) -> None:
    shutil.copy(layout.tracks("day 1/b.wav"), layout.tracks("day 1/a.wav"))


def rewrite_index(layout: Layout, change: Callable[[pa.Table], pa.Table]) -> None:
    footer = with_prefix(footer_of(pq.read_metadata(layout.shard(0))))
    write_table(layout.shard(0), change(read_shard(layout, 0)), footer)


A, INDEX, PLAN = "day 1/a.wav", "_extraction/shards/00000.pq", "_extraction/plan.pq"
DAMAGE: dict[str, tuple[Callable[[Layout], object], tuple[str, str, str | None]]] = {
    "a flipped bit": (lambda one: flip(Path(one.tracks(A)), 8 * 500), ("damaged", f"{A}.parquet", A)),
    "tracks gone": (lambda one: Path(one.tracks(A)).unlink(), ("missing", f"{A}.parquet", A)),
    "another's tracks": (swapped, ("wrong", f"{A}.parquet", A)),
    "a long vector": (longer, ("damaged", f"{A}.parquet", A)),
    "NaN": (not_a_number, ("damaged", f"{A}.parquet", A)),
    "a flipped bit in the index": (lambda one: flip(Path(one.shard(0)), 8 * 500), ("damaged", INDEX, None)),
    "a row gone": (lambda one: rewrite_index(one, lambda table: table.slice(1)), ("missing", INDEX, A)),
    "a row twice": (
        lambda one: rewrite_index(one, lambda table: pa.concat_tables([table, table.slice(0, 1)])),
        ("duplicate", INDEX, A),
    ),
    "a flipped bit in the plan": (lambda one: flip(Path(one.plan), 8 * 200), ("damaged", PLAN, None)),
    "planned twice": (
        lambda one: write_table(one.plan, pa.concat_tables([read_plan(one), read_plan(one).slice(0, 1)]), {}),
        ("duplicate", PLAN, A),
    ),
    "a flipped bit in the words": (
        lambda one: flip(Path(WordsLayout(one.root).shard(0)), 8 * 200),
        ("damaged", "_words/shards/00000.pq", None),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_named_and_repair_leaves_what_the_next_run_does(output: Path, name: str) -> None:
    damage, expected = DAMAGE[name]
    damage(Layout(str(output)))
    assert expected in problems(output)
    repaired = found(output, "--repair")["repaired"]
    assert repaired
    notes = found(output, code=0)["notes"]
    if expected[1] == PLAN:
        assert read_plan(Layout(str(output)))["recording_id"].to_pylist() == [
            *("day 1/a.wav", "day 1/b.wav", "day 2/c.wav", "day 2/ba.wav")
        ]
    elif "words" not in expected[1]:
        assert [note["kind"] for note in notes] == ["unfinished"]


def test_settings_that_changed_are_told(output: Path) -> None:
    path = Path(Layout(str(output)).config)
    path.write_text(path.read_text().replace("5.0", "4.0"))
    assert problems(output) == [("wrong", "_extraction/config.json", None)]
    path.write_text("{")
    assert problems(output) == [("damaged", "_extraction/config.json", None)]


def test_what_killed_runs_left_goes_and_what_others_put_there_stays(output: Path) -> None:
    left = [
        output / "day 1" / f".diar-{'0' * 32}.tmp",
        output / "_extraction/sections/00000/00001-ab/0-7.npz",
    ]
    foreign = [output / "notes.txt", output / "day 1/other.parquet", output / "day 1/.diar-mine.tmp"]
    for path in (*left, *foreign):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    kinds = [note["kind"] for note in found(output, code=0)["notes"]]
    assert sorted(kinds) == ["foreign", "leftover", "leftover", "orphan"]
    assert found(output, "--repair", code=0)["repaired"] == ["2 files of killed runs are removed"]
    assert not any(path.exists() for path in left)
    assert all(path.exists() for path in foreign)
    assert not (output / "_extraction/sections/00000").exists()


def test_earlier_outputs_are_clean_and_told_apart(output: Path) -> None:
    for path in (*output.rglob("*.parquet"), *output.rglob("0*.pq")):
        if "_words" not in str(path):
            unsealed(path)
    (note,) = found(output, code=0)["notes"]
    assert (note["kind"], note["reason"]) == ("unsealed", "1 shard written before files had checksums")


def test_packed_tracks_are_looked_at_too(tmp_path: Path) -> None:
    write_packed(tmp_path / "P", {"a/1.wav": 3, "a/2.wav": 2, "top.wav": 3})
    layout = Layout(str(tmp_path / "P"))
    config = json.loads(Path(layout.config).read_text())
    (complaint,) = problems(tmp_path / "P")
    assert complaint == ("wrong", "_extraction/config.json", None), "the sample's fingerprint is made up"
    flip(Path(layout.packed(layout.folder("a/1.wav"), 0)), 8 * 400)
    assert ("damaged", "a/shard_00000.parquet", "a/1.wav") in problems(tmp_path / "P")
    assert config["layout"] == "packed"


@pytest.mark.parametrize(
    ("path", "old", "new", "kind"),
    [
        ("recordings/day 1/a.wav/turns.json", '"start": 0.', '"start": 7.', "wrong"),
        ("recordings/day 1/a.wav/turns.json", "{", "", "damaged"),
        ("recordings/day 1/a.wav/turns.rttm", "person_0001", "person_0002", "wrong"),
        ("all.rttm", "person_0001", "person_0002", "wrong"),
        ("recordings.csv", "day 1/b.wav", "day 1/x.wav", "wrong"),
        ("speaker_boundary_detection_result.json", "{", "", "damaged"),
        ("files.csv", "3,day 2/ba.wav", "", "wrong"),
    ],
)
def test_damage_of_a_result_is_told(result: Path, path: str, old: str, new: str, kind: str) -> None:
    text = (result / path).read_text()
    assert old in text
    (result / path).write_text(text.replace(old, new, 1))
    assert kind in {one["kind"] for one in found(result)["problems"]}


def test_files_that_are_gone_and_another_stage_1_are_told(root: Path, result: Path, output: Path) -> None:
    (result / "all.rttm").unlink()
    (result / "speaker_001/day 1/a.wav").unlink()
    (result / "speakers.csv").unlink()
    gone = {one["where"] for one in found(result)["problems"] if one["kind"] == "missing"}
    assert gone == {"all.rttm", "speakers.csv", "speaker_001/day 1/a.wav"}
    result = copied(root / "R", result.parent / "R2")
    rewrite_index(Layout(str(output)), lambda table: table.filter(pc.not_equal(table["recording_id"], A)))
    write_table(Layout(str(output)).plan, read_plan(Layout(str(output))).slice(1), {})
    (note,) = found(result, "--embeddings_dir", output, code=0)["notes"]
    assert note["reason"].startswith("1 recording no longer in stage 1, such as day 1/a.wav")


def test_an_output_in_an_object_store_is_verified_repaired_and_purged(output: Path) -> None:
    place = f"memory://{output.parent.name}/E"
    for path in output.rglob("*"):
        if path.is_file():
            storage.write_bytes_atomic(f"{place}/{path.relative_to(output)}", path.read_bytes())
    assert found(place, code=0)["notes"] == []
    assert diar("purge", place, "--recording", "day 1/b.wav").returncode == 0
    assert found(place, code=0)["counts"]["recordings"] == 3
    url = f"{place}/{A}.parquet"
    data = bytearray(storage.read_bytes(url))
    data[500] ^= 1
    storage.write_bytes_atomic(url, data)
    assert [one["recording_id"] for one in found(place, "--repair")["problems"]] == [A]
    assert [note["kind"] for note in found(place, code=0)["notes"]] == ["unfinished"]
    assert not storage.exists(url)


def test_what_is_no_output_is_an_error(tmp_path: Path) -> None:
    done = diar("verify", tmp_path)
    assert (done.returncode, done.stdout) == (2, "") and "it is empty" in done.stderr
    assert diar("verify", tmp_path / "nowhere").returncode == 2


def test_stage_2_names_a_damaged_recording_and_goes_on(output: Path, tmp_path: Path) -> None:
    flip(output / f"{A}.parquet", 8 * 500)
    done = detect_here(output, tmp_path / "R", "--task", "turns", "--no_plot", "--processes", 1)
    assert done.returncode == 3, done.stderr
    rows = (tmp_path / "R/recordings.csv").read_text().splitlines()
    assert "no_tracks" in rows[1] and "is damaged: bytes 0 to" in rows[1]
    assert [",ok," in row for row in rows[1:]] == [False, True, True, True]
    flip(output / INDEX, 8 * 500)
    done = detect_here(output, tmp_path / "R2", "--task", "turns")
    assert done.returncode == 2 and f"damaged: {output / INDEX} is damaged" in done.stderr


@pytest.mark.slow
def test_a_damaged_recording_is_done_again_alone_and_purged_ones_stay_out(
    tiny_model_dir: Path, tmp_path: Path
) -> None:
    archive, out = write_archive(tmp_path / "archive", [1.0, 1.5, 2.0]), tmp_path / "E"
    model = ("--model_dir", tiny_model_dir)
    assert extract(archive, out, *model).returncode == 0
    names = ["part_0/0.wav", "part_0/2.wav", "part_1/1.wav"]
    modes = {path.stat().st_mode & 0o777 for path in out.rglob("*")}
    assert modes == {0o600, 0o700}, "private by default"
    before = {name: (out / f"{name}.parquet").stat().st_ino for name in names}
    whole = read_tracks(str(out), names[1]).tracks.embedding
    flip(out / f"{names[1]}.parquet", 8 * 400)
    assert [one["recording_id"] for one in found(out, "--repair")["problems"]] == [names[1]]
    assert extract(archive, out, *model, "--share", "group").returncode == 0
    after = {name: (out / f"{name}.parquet").stat() for name in names}
    assert [after[name].st_ino == before[name] for name in names] == [True, False, True]
    assert after[names[1]].st_mode & 0o777 == 0o640
    again = read_tracks(str(out), names[1]).tracks.embedding
    np.testing.assert_allclose(again, whole, atol=1e-3)  # beside others, it differs in the last bits
    assert found(out, code=0)["notes"] == []

    assert diar("purge", out, "--recording", names[1]).returncode == 0
    done = extract(archive, out, *model, "--overwrite")
    assert done.returncode == 0 and "1 recording was purged from this output and left out" in done.stderr
    assert found(out, code=0)["counts"]["recordings"] == 2
    assert not (out / f"{names[1]}.parquet").exists()
