"""Stores that are valid Parquet and JSON but hold what stage 1 never wrote: named, and the rest goes on."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from diar.cli import main
from diar.store.reader import StoreError, load_index
from tests.commands import detect_here
from tests.detect.observations_sample import Conversation, converse, make_voices, write_store

VOICES = make_voices(2, 5)
TALK = converse(VOICES, 20.0, seed=1)

Change = Callable[[pa.Table, dict[bytes, bytes]], tuple[pa.Table, dict[bytes, bytes]]]


def column(name: str, values: Callable[[pa.ChunkedArray], object]) -> Change:
    """Replace a column."""

    def change(table: pa.Table, footer: dict[bytes, bytes]) -> tuple[pa.Table, dict[bytes, bytes]]:
        place = table.schema.get_field_index(name)
        return table.set_column(place, name, pa.array(values(table[name]))), footer

    return change


def without(name: str) -> Change:
    return lambda table, footer: (table.drop_columns(name), footer)


def entry(key: str, old: str, new: str) -> Change:
    """Replace text in a footer entry, all of it where `old` is empty."""

    def change(table: pa.Table, footer: dict[bytes, bytes]) -> tuple[pa.Table, dict[bytes, bytes]]:
        name = f"diar.{key}".encode()
        text = footer[name].decode()
        assert old in text
        return table, {**footer, name: (text.replace(old, new) if old else new).encode()}

    return change


def first(value: object) -> Callable[[pa.ChunkedArray], object]:
    """Set the first value."""

    def changed(old: pa.ChunkedArray) -> np.ndarray:
        values = old.to_numpy().copy()
        values[0] = value
        return values

    return changed


def vectors(change: Callable[[np.ndarray], np.ndarray]) -> Change:
    def changed(old: pa.ChunkedArray) -> pa.Array:
        values = change(np.array(old.to_pylist(), np.float32))
        return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.shape[1])

    return column("embedding", changed)


IN_TRACKS: dict[str, tuple[Change, str]] = {
    "nan": (vectors(lambda all_: all_ * np.nan), "embedding is no vector of length 1"),
    "infinite": (vectors(lambda all_: np.full_like(all_, np.inf)), "embedding is no vector of length 1"),
    "long vectors": (vectors(lambda all_: all_ * 3), "embedding is no vector of length 1"),
    "dimension": (vectors(lambda all_: all_[:, :32]), "embeddings of 32 numbers, not 64"),
    "texts": (column("embedding", lambda old: ["x"] * len(old)), "without embeddings"),
    "negative": (column("start", first(-1e6)), "a track from -1000000.0"),
    "huge": (column("end", first(1e300)), "1e+300"),
    "no time": (column("start", first(np.nan)), "a track from nan"),
    "type": (column("start", lambda old: ["later"] * len(old)), "ArrowInvalid"),
    "null": (column("channel", lambda old: [None] * len(old)), "nulls in channel"),
    "column": (without("activity"), "without the column activity"),
    "speaker": (column("local_speaker", lambda old: [32_000] * len(old)), "local_speaker is 32000"),
    "seconds": (column("clean_seconds", first(1e30)), "clean_seconds is 1"),
    "long activity": (column("activity", lambda old: [b"x" * 10**6] * len(old)), "activity of 1,000,000"),
    "duration": (entry("recording", '"duration": 20.0', '"duration": 1e12'), "duration is 1000000000000.0"),
    "no duration": (entry("recording", '"duration": 20.0', '"duration": NaN'), "duration is nan"),
    "text duration": (entry("recording", '"duration": 20.0', '"duration": "20"'), "TypeError"),
    "deep": (entry("recording", "", "[" * 100_000), "RecursionError"),
    "digits": (entry("recording", '"sample_rate": 16000', '"sample_rate": ' + "9" * 5000), "ValueError"),
    "windows": (entry("segmentation_windows", "", "[[0, 1e12]]"), "a seg_window from 0.0"),
    "no windows": (entry("segmentation_windows", "", "[]"), "a seg_window that is not there"),
    "step 0": (entry("activity_step", "", "0"), "activity_step is 0.0"),
    "step": (entry("activity_step", "", "1e-9"), "activity_step is 1e-09"),
    "negative step": (entry("activity_step", "", "-0.01"), "activity_step is -0.01"),
    "nan step": (entry("activity_step", "", "nan"), "activity_step is nan"),
    "centre": (entry("activity_first_center", "", "1e300"), "activity_first_center is 1e+300"),
}


def poison(path: Path, change: Change) -> None:
    footer = {key: value for key, value in pq.read_metadata(path).metadata.items() if b"diar." in key}
    table, footer = change(pq.read_table(path).replace_schema_metadata(None), footer)
    pq.write_table(table.replace_schema_metadata(footer), path)


def test_a_recording_whose_tracks_are_poisoned_is_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    write_store(tmp_path, {"good.wav": TALK, **{f"{name}.wav": TALK for name in IN_TRACKS}})
    for name, (change, _) in IN_TRACKS.items():
        poison(tmp_path / "E" / f"{name}.wav.parquet", change)
    done = detect_here(tmp_path / "E", tmp_path / "R", "--task", "turns", "--no_plot", "--no_labels")
    assert done.returncode == 3, done.stderr
    with (tmp_path / "R/recordings.csv").open(newline="") as file:
        rows = {row["recording_id"]: row for row in csv.DictReader(file)}
    assert rows.pop("good.wav")["status"] == "ok"
    for name, (_, message) in IN_TRACKS.items():
        row = rows[f"{name}.wav"]
        assert row["status"] == "no_tracks"
        assert "is damaged" in row["error"] and message in row["error"], (name, row["error"])


IN_INDEX: dict[str, tuple[str, object]] = {
    "duration": ("duration", 1e12),
    "nan duration": ("duration", np.nan),
    "negative": ("speech_seconds", -1.0),
    "bandwidth": ("bandwidth", np.inf),
    "vector": ("embedding", np.full(64, np.nan)),
    "gap": ("gaps", [{"start": 0.0, "end": 1e300}]),
    "null": ("path", None),
}


def test_a_row_of_the_index_that_is_poisoned_costs_that_recording(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_store(tmp_path, {"good.wav": TALK, **{f"{name}.wav": TALK for name in IN_INDEX}})
    path = tmp_path / "E/_extraction/shards/00000.pq"
    table = pq.read_table(path)
    rows = table.to_pylist()
    for number, (name, value) in enumerate(IN_INDEX.values(), start=1):
        rows[number][name] = value
    pq.write_table(pa.Table.from_pylist(rows, table.schema), path)
    for task in ("turns", "files"):
        extra = ["--segment_size", 1, "--place", "none"] if task == "files" else []
        done = detect_here(tmp_path / "E", tmp_path / task, "--task", task, "--no_plot", *extra)
        assert done.returncode == 3, done.stderr
    with (tmp_path / "turns/recordings.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    assert [row["status"] for row in found] == ["ok", *["damaged"] * len(IN_INDEX)]
    for row, (name, _) in zip(found[1:], IN_INDEX.values(), strict=True):
        assert f"00000.pq is damaged ({name} is" in row["error"]
    assert main(["status", str(tmp_path / "E"), "--failures"]) == 3
    assert "8 recordings are done, 6 failed" in capsys.readouterr().out  # vectors are not looked at


@pytest.mark.parametrize("damage", ["cut", "column", "dimension"])
def test_a_shard_whose_index_is_poisoned_costs_its_recordings(
    tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    two_shards(tmp_path)
    path = tmp_path / "E/_extraction/shards/00000.pq"
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-50])
    elif damage == "column":
        poison(path, without("duration"))
    else:
        poison(path, vectors(lambda all_: all_[:, :8]))
    index = load_index(str(tmp_path / "E"))
    assert index.recording_id == ["a.wav", "b.wav"]
    assert index.status == ["damaged", "ok"] and "00000.pq" in index.error[0]
    assert (index.embedding.shape, index.path[0]) == ((2, 64), str(tmp_path / "audio/a.wav"))
    done = detect_here(tmp_path / "E", tmp_path / "R", "--task", "turns", "--no_plot")
    assert done.returncode == 3, done.stderr
    if damage != "dimension":
        assert main(["status", str(tmp_path / "E"), "--failures"]) == 3
        assert "damaged\ta.wav" in capsys.readouterr().out


def two_shards(root: Path) -> None:
    """Two recordings in a shard each."""
    metadata = {"embedding_dim": "64"}
    from tests.detect.observations_sample import METADATA

    write_store(root, {"a.wav": TALK, "b.wav": TALK}, {**METADATA, **metadata})
    shards, plan = root / "E/_extraction/shards", root / "E/_extraction/plan.pq"
    whole = pq.read_table(shards / "00000.pq")
    for number in (0, 1):
        pq.write_table(whole.slice(number, 1), shards / f"{number:05d}.pq")
    planned = pq.read_table(plan)
    place = planned.schema.get_field_index("shard")
    pq.write_table(planned.set_column(place, "shard", pa.array([0, 1], pa.int32())), plan)


CONFIGS = {
    "no metadata": lambda config: config.pop("metadata"),
    "a list": lambda config: config.update(metadata=["model"]),
    "numbers": lambda config: config["metadata"].update(model=3),
    "step": lambda config: config["metadata"].update(activity_step="1e-9"),
    "no step": lambda config: config["metadata"].update(activity_step="nan"),
    "dimension": lambda config: config["metadata"].update(embedding_dim="1" * 5000),
    "input": lambda config: config.update(input_dir=None),
    "layout": lambda config: config.update(layout="../.."),
}


def test_an_output_whose_configuration_or_plan_is_poisoned_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_store(tmp_path, {"a.wav": Conversation(20.0, VOICES, [(0.0, 20.0, 0)])})
    extraction = tmp_path / "E/_extraction"
    good = (extraction / "config.json").read_bytes()
    texts = {"deep": b"[" * 10**6, "no object": b"[1]", "a number": b"1e999", "bytes": b"\xff\xfe"}
    for name, change in CONFIGS.items():
        config = json.loads(good)
        change(config)
        texts[name] = json.dumps(config).encode()
    for name, text in texts.items():
        (extraction / "config.json").write_bytes(text)
        assert main(["status", str(tmp_path / "E")]) == 2, name
        assert "config.json is damaged" in capsys.readouterr().err, name
        done = detect_here(tmp_path / "E", tmp_path / "R", "--task", "turns")
        assert (done.returncode, "config.json is damaged" in done.stderr) == (2, True), name
    (extraction / "config.json").write_bytes(good)
    plan = extraction / "plan.pq"
    content = plan.read_bytes()
    for change in (
        without("position"),
        column("shard", lambda old: ["x"]),
        column("shard", lambda old: [-5]),
    ):
        plan.write_bytes(content)
        poison(plan, change)
        with pytest.raises(StoreError, match=r"plan\.pq is damaged"):
            load_index(str(tmp_path / "E"))
