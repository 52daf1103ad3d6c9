"""Parquet files of the store, read in this thread alone."""

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from diar.store.parquet import StoreError, read_rows_where, read_table, write_table

ROWS = pa.table({"recording_id": [f"{i:03}.wav" for i in range(100)], "shard": [i // 7 for i in range(100)]})

COUNT_THREADS = """
import os, sys
from diar.store.parquet import read_rows_where, read_table
threads = lambda: len(os.listdir("/proc/self/task"))
before = threads()
assert len(read_table(sys.argv[1])) == 100
assert len(read_rows_where(sys.argv[1], "shard", 3)) == 7
print(threads() - before)
"""


@pytest.fixture
def table(tmp_path: Path) -> str:
    path = tmp_path / "table.parquet"
    write_table(str(path), ROWS, {}, row_group_size=10)
    return str(path)


def test_rows_of_one_value_are_found_in_whichever_row_groups_they_lie(table: str) -> None:
    for shard in range(16):
        found = read_rows_where(table, "shard", shard)["recording_id"].to_pylist()
        assert found == [f"{i:03}.wav" for i in range(100) if i // 7 == shard]
    assert read_rows_where(table, "recording_id", "041.wav").to_pylist() == [
        {"recording_id": "041.wav", "shard": 5}
    ]
    assert read_table(table, columns=["shard"]).column_names == ["shard"]


def test_row_groups_without_statistics_are_read(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    pq.write_table(ROWS, path, row_group_size=10, write_statistics=False)
    assert read_rows_where(str(path), "shard", 9)["recording_id"].to_pylist()[0] == "063.wav"


def test_a_missing_and_a_damaged_file_are_named(table: str) -> None:
    with pytest.raises(StoreError, match="is missing; run stage 1"):
        read_rows_where(f"{table}.not", "shard", 1)
    content = Path(table).read_bytes()
    Path(table).write_bytes(content[:-9] + b"?" * 9)
    with pytest.raises(StoreError, match="delete it, then run stage 1"):
        read_table(table)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="counts threads as Linux lists them")
def test_no_thread_of_arrow_reads_a_python_file(table: str) -> None:
    """One of those aborts the process at its exit now and then (apache/arrow#34314)."""
    told = subprocess.run([sys.executable, "-c", COUNT_THREADS, table], capture_output=True, text=True)
    assert told.stdout == "0\n", told.stderr
