#!/usr/bin/env python3
"""What one flipped bit does to Parquet without checksums, with those of pages, and sealed; what that costs.

Tables are those of an output of stage 1: tracks of its recordings, indices of its shards. Every trial flips
one bit of a file and reads all of it. Costs are CPU seconds of writing and reading all tracks in turn.

python benchmarks/checksums.py E
python benchmarks/checksums.py E --trials 200 --rounds 3
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from diar.errors import DiarError
from diar.store.earlier_names import stored_at
from diar.store.layout import Layout
from diar.store.parquet import TRACKS_ROW_GROUP, TracksFile, footer_of, open_parquet, with_prefix, write_table
from diar.store.reader import RecordingIndex, done_shards, load_index
from diar.store.schema import track_schema

FORMS = ("plain", "page checksums", "sealed")


@dataclass(frozen=True)
class Content:
    """A table with diar's entries of its footer."""

    kind: str  # tracks or index
    table: pa.Table
    footer: dict[str, str]

    @classmethod
    def read(cls, kind: str, path: str) -> Content:
        """Read a file of an output."""
        with open_parquet(path, "it is no output") as parquet:
            footer, table = footer_of(parquet.metadata), parquet.read(use_threads=False)
        return cls(kind, table.replace_schema_metadata(None), footer)

    def write(self, form: str, path: Path) -> None:
        """Write it in one of FORMS."""
        if form == "sealed" and self.kind == "tracks":
            with path.open("wb") as file, TracksFile(file, self.dimension) as writer:
                writer.write(self.table)
                writer.set_footer(self.footer)
        elif form == "sealed":
            write_table(str(path), self.table, with_prefix(self.footer))
        else:
            pages = form == "page checksums"
            with pq.ParquetWriter(path, self.schema, write_page_checksum=pages, **self.options) as writer:
                writer.write_table(self.table, row_group_size=TRACKS_ROW_GROUP)
                writer.add_key_value_metadata(with_prefix(self.footer))

    @property
    def dimension(self) -> int:
        """Length of the embeddings."""
        size: int = self.table.schema.field("embedding").type.list_size
        return size

    @property
    def schema(self) -> pa.Schema:
        """Schema as stage 1 has it."""
        return track_schema(self.dimension) if self.kind == "tracks" else self.table.schema

    @property
    def options(self) -> dict[str, Any]:
        """How stage 1 writes it, without checksums."""
        if self.kind == "index":
            return {"compression": "zstd"}
        names = {"use_dictionary": ["recording_id"], "write_statistics": ["recording_id"]}
        return {
            "compression": "zstd",
            "column_encoding": {"embedding.list.element": "BYTE_STREAM_SPLIT"},
            **names,
        }


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("extraction", type=Path, help="output of stage 1; it is only read")
    parser.add_argument("--trials", type=int, default=1000, help="of each kind of file and form")
    parser.add_argument("--rounds", type=int, default=5, help="of writing and reading all tracks")
    options = parser.parse_args()
    contents = read_contents(str(options.extraction))
    with tempfile.TemporaryDirectory() as folder:
        print("| one flipped bit in | trials | told | nothing changed | read as other data |")
        print("|---|---|---|---|---|")
        for kind, own in contents.items():
            for form in FORMS:
                told = flip_all(own, form, options.trials, Path(folder, "file.pq"))
                figures = (options.trials, told["told"], told["same"], told["other"])
                print(
                    f"| {kind}, {form} | " + " | ".join(f"{figure:,}" for figure in figures) + " |",
                    flush=True,
                )
        print()
        print_costs(contents["tracks"], options.rounds, Path(folder))


def read_contents(root: str) -> dict[str, list[Content]]:
    """Return the tracks of all recordings, and the indices of all shards."""
    layout, index = Layout(root), load_index(root)
    shards = [stored_at(layout.shard(shard)) for shard in done_shards(layout)]
    found = {"tracks": sorted(tracks_files(layout, index)), "index": shards}
    return {kind: [Content.read(kind, path) for path in paths] for kind, paths in found.items()}


def tracks_files(layout: Layout, index: RecordingIndex) -> set[str]:
    """Return the files of tracks."""
    found = set()
    for recording_id, shard, status in zip(index.recording_id, index.shard, index.status, strict=True):
        own = layout.tracks(recording_id)
        packed = layout.packed(layout.folder(recording_id), int(shard))
        if status == "ok":
            found.add(own if Path(own).exists() else packed)
    return found


def flip_all(contents: list[Content], form: str, trials: int, path: Path) -> Counter[str]:
    """Return how often a flipped bit was told, changed nothing, or was read as other data."""
    rng, told = random.Random(0), Counter[str]()
    for number, content in enumerate(contents):
        content.write(form, path)
        data, whole = path.read_bytes(), read(path)
        for _ in range(trials // len(contents) + (number < trials % len(contents))):
            bit = rng.randrange(8 * len(data))
            flipped = bytearray(data)
            flipped[bit // 8] ^= 1 << bit % 8
            path.write_bytes(flipped)
            try:
                told["same" if same(read(path), whole) else "other"] += 1
            except (DiarError, pa.ArrowException, OSError, ValueError, KeyError, MemoryError):
                told["told"] += 1
    return told


def read(path: Path) -> tuple[pa.Table, dict[str, str]]:
    """Read all of a file as `diar.store` does, which checks what checksums there are."""
    with open_parquet(str(path), "") as parquet:
        return parquet.read(use_threads=False), footer_of(parquet.metadata)


def same(one: tuple[pa.Table, dict[str, str]], other: tuple[pa.Table, dict[str, str]]) -> bool:
    """Return whether two files say the same; a table that contradicts itself does not."""
    try:
        one[0].validate(full=True)
    except pa.ArrowInvalid:
        return False
    return one[0].equals(other[0]) and one[1] == other[1]


def print_costs(contents: list[Content], rounds: int, folder: Path) -> None:
    """Print CPU milliseconds and bytes of a file of tracks in every form."""
    paths = {form: [folder / f"{form} {i}" for i in range(len(contents))] for form in FORMS}

    def write(form: str) -> None:
        for content, path in zip(contents, paths[form], strict=True):
            content.write(form, path)

    def read_plain() -> None:
        for path in paths["plain"]:
            with path.open("rb") as file:
                pq.ParquetFile(file, pre_buffer=False).read(use_threads=False)

    def read_form(form: str) -> None:
        for path in paths[form]:
            read(path)

    steps: dict[tuple[str, str], Callable[[], None]] = {}
    for form in FORMS:
        steps["write", form] = lambda form=form: write(form)  # type: ignore[misc]
        steps["read", form] = read_plain if form == "plain" else lambda form=form: read_form(form)  # type: ignore[misc]
    seconds = least_cpu(steps, rounds)
    print(f"{len(contents):,} files of tracks | " + " | ".join(FORMS) + " |\n|---|" + "---|" * len(FORMS))
    for step in ("write", "read"):
        figures = " | ".join(f"{1000 * seconds[step, form] / len(contents):.2f}" for form in FORMS)
        print(f"| {step}, ms CPU a file | {figures} |")
    sizes = [sum(path.stat().st_size for path in paths[form]) / len(contents) for form in FORMS]
    print("| bytes a file | " + " | ".join(f"{size:,.0f}" for size in sizes) + " |")


def least_cpu(
    steps: Mapping[tuple[str, str], Callable[[], None]], rounds: int
) -> dict[tuple[str, str], float]:
    """Return the least CPU seconds of each step; they take turns."""
    least = dict.fromkeys(steps, float("inf"))
    for _ in range(rounds):
        for name, step in steps.items():
            start = time.process_time()
            step()
            least[name] = min(least[name], time.process_time() - start)
    return least


if __name__ == "__main__":
    main()
