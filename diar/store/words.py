"""The words of an extraction's recordings, before they have speakers: `E/_words/` (docs/words.md).

A shard of stage 1's plan has one Parquet file, a row a word; its footer says of each recording how it was
recognised, or why not. The file is written last and so marks the shard as done.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from diar import storage
from diar.records import MIXED, OK, Word
from diar.store.encryption.files import protected, revealed
from diar.store.layout import Layout
from diar.store.parquet import StoreError, footer_of, open_parquet, parsing, with_prefix, write_table

_SCHEMA = pa.schema(
    [
        ("recording_id", pa.dictionary(pa.int32(), pa.string())),
        ("start", pa.float64()),
        ("end", pa.float64()),
        ("text", pa.string()),
        ("probability", pa.float32()),
        ("channel", pa.int16()),
    ]
)
VERSION = "1"  # of the files' content
_REMEDY = "run `diar words` again: it recognises what is missing"


class WordsLayout(Layout):
    """Names of the files of recognised words under an output of stage 1."""

    @property
    def private(self) -> str:
        """Folder of everything that belongs to words."""
        return storage.join(self.root, "_words")

    @property
    def statistics(self) -> str:
        """Totals, speed, devices, failures by kind, versions."""
        return storage.join(self.private, "words_stats.json")

    def partial(self, shard: int) -> str:
        """Return the folder of what is recognised so far of an unfinished shard."""
        return storage.join(self.private, "partial", f"{shard:05d}")


@dataclass(frozen=True)
class RecognisedRecording:
    """How one recording was recognised."""

    recording_id: str
    status: str = OK  # or the kind of failure
    error: str = ""
    language: str | None = None
    language_probability: float | None = None
    seconds: float = 0.0  # of audio that the recogniser heard
    outside_speech: int = 0  # words that were dropped, see diar/align/cleaning.py
    repeated: int = 0


def write_words(
    layout: WordsLayout,
    shard: int,
    recordings: Sequence[tuple[RecognisedRecording, Sequence[Word]]],
    metadata: dict[str, str],
) -> None:
    """Publish the words of a shard."""
    ids = [recording.recording_id for recording, _ in recordings]
    owner = [number for number, (_, words) in enumerate(recordings) for _ in words]
    words = [word for _, own in recordings for word in own]
    columns = [
        pa.DictionaryArray.from_arrays(pa.array(owner, pa.int32()), pa.array(ids, pa.string())),
        pa.array([word.start for word in words], pa.float64()),
        pa.array([word.end for word in words], pa.float64()),
        pa.array([word.text for word in words], pa.string()),
        pa.array([word.probability for word in words], pa.float32()),
        pa.array([word.channel for word in words], pa.int16()),
    ]
    told = json.dumps([asdict(recording) for recording, _ in recordings])
    footer = with_prefix({**metadata, "words_version": VERSION, "recordings": told})
    write_table(layout.shard(shard), pa.table(columns, schema=_SCHEMA), footer)


def read_words(layout: WordsLayout, shard: int) -> dict[str, tuple[RecognisedRecording, list[Word]]]:
    """Read the words of a shard, by recording.

    Raises:
        StoreError: the file is missing or damaged.
    """
    url = layout.shard(shard)
    with open_parquet(url, _REMEDY) as parquet:
        metadata, table = parquet.metadata, parquet.read(use_threads=False)
    with parsing(url, _REMEDY):
        told = json.loads(_footer(url, metadata)["recordings"])
        found: dict[str, tuple[RecognisedRecording, list[Word]]] = {
            one["recording_id"]: (RecognisedRecording(**one), []) for one in told
        }
        for row in table.to_pylist():
            found[row.pop("recording_id")][1].append(Word(**row))
    return found


def read_told(layout: WordsLayout, shard: int) -> tuple[list[RecognisedRecording], int]:
    """Read how the recordings of a shard were recognised, and count its words, without reading those.

    Raises:
        StoreError: the file is missing or damaged.
    """
    url = layout.shard(shard)
    with open_parquet(url, _REMEDY) as parquet:
        metadata = parquet.metadata
    with parsing(url, _REMEDY):
        told = json.loads(_footer(url, metadata)["recordings"])
        return [RecognisedRecording(**one) for one in told], metadata.num_rows


def _footer(url: str, metadata: pq.FileMetaData) -> dict[str, str]:
    footer = footer_of(metadata)
    if footer["words_version"] != VERSION:
        raise StoreError(f"{url} has words version {footer['words_version']}, not {VERSION}; {_REMEDY}")
    return footer


class PartialShard:
    """What is recognised of an unfinished shard, batch by batch, so that nothing is recognised twice."""

    def __init__(self, layout: WordsLayout, shard: int) -> None:
        self._folder = layout.partial(shard)
        self._stored = frozenset(storage.list_names(self._folder))

    def read(self, key: str) -> list[Word] | None:
        """Return the words stored under `key`, or None."""
        name = f"{key}.json"
        if name not in self._stored:
            return None
        with storage.open_binary(storage.join(self._folder, name)) as file:
            return [_word(fields) for fields in json.loads(revealed(file.read()))]

    def write(self, key: str, words: Sequence[Word]) -> None:
        """Store words; a reader never sees half of them."""
        content = json.dumps([[w.start, w.end, w.text, w.probability, w.channel] for w in words])
        storage.write_bytes_atomic(storage.join(self._folder, f"{key}.json"), protected(content.encode()))

    def remove(self) -> None:
        """Remove everything, once the shard is published."""
        for name in storage.list_names(self._folder):
            storage.remove(storage.join(self._folder, name))


def _word(fields: list[Any]) -> Word:
    start, end, text, probability, channel = fields
    return Word(start, end, text, probability, channel=MIXED if channel is None else channel)
