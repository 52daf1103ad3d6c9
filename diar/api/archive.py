"""What stage 1 stored of a whole archive, recording by recording."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
import pyarrow as pa

from diar.api.asked import PresetName, checked
from diar.api.diarization import Diarization, of_voice
from diar.api.errors import ArgumentError, AudioError, MissingPackageError
from diar.api.voice import Voice
from diar.detect.clustering.speaker_count import SpeakerCount
from diar.detect.community.settings import Community
from diar.records import OK, Tracks
from diar.store.absent import UnknownRecordingError
from diar.store.index import read_pipeline
from diar.store.layout import Layout
from diar.store.reader import StoreError, TracksReader, finished_rows, read_config
from diar.store.schema import matrix
from diar.wording import counted

if TYPE_CHECKING:
    import pandas


class Archive:
    """The recordings of an output of stage 1, in archive order; threads may share one.

    `len`, `in` and iteration go over the ids of all finished recordings; `archive[id]` is a `Voice`.

    Args:
        embeddings_dir: `--output_dir` of stage 1, a path or a URL.

    Attributes:
        table: the index as an Arrow table, one row a recording (docs/on-disk.md).
        metadata: model, model_sha256, fingerprint, ….

    Raises:
        DiarError: not an output of stage 1, of another schema, or without a finished recording.
    """

    def __init__(self, embeddings_dir: str | os.PathLike[str]) -> None:
        self.embeddings_dir = os.fspath(embeddings_dir)
        layout = Layout(self.embeddings_dir)
        self.metadata: dict[str, str] = read_config(layout)["metadata"]
        self.table: pa.Table = finished_rows(layout, planned=["num_speakers", "label", "reference"])
        if not len(self.table):
            raise StoreError(f"{self.embeddings_dir}: no recording is finished; run stage 1 (again)")
        self.ids: list[str] = self.table["recording_id"].to_pylist()
        self._row = {recording_id: row for row, recording_id in enumerate(self.ids)}
        self._reader = TracksReader(self.embeddings_dir)
        self._reading = threading.Lock()

    def __repr__(self) -> str:
        return f"Archive({self.embeddings_dir!r}, {counted(len(self), 'recording')})"

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[str]:
        return iter(self.ids)

    def __contains__(self, recording_id: object) -> bool:
        return recording_id in self._row

    def __getitem__(self, recording_id: str) -> Voice:
        """Return one recording's tracks and vector.

        Raises:
            KeyError: there is no such id; the message names those that are most like it.
            AudioError: it failed in stage 1; `kind` is its status.
            DiarError: its file is missing or damaged.
        """
        row = self._number(recording_id)
        if self.status[row] != OK:
            raise AudioError(self.status[row], f"{recording_id}: {self.table['error'][row].as_py()}")
        with self._reading:
            return Voice(self._reader.read(recording_id, self.table["shard"][row].as_py()))

    @property
    def paths(self) -> list[str]:
        """Where each recording's audio was when stage 1 read it: (n,) paths or URLs."""
        paths: list[str] = self.table["path"].to_pylist()
        return paths

    @cached_property
    def status(self) -> list[str]:
        """`ok`, or the kind of failure, of each recording."""
        status: list[str] = self.table["status"].to_pylist()
        return status

    @property
    def durations(self) -> np.ndarray:
        """(n,) seconds of each recording; 0 where it failed."""
        durations: np.ndarray = self.table["duration"].to_numpy()
        return durations

    @property
    def speech_seconds(self) -> np.ndarray:
        """(n,) seconds in each recording in which anybody speaks."""
        seconds: np.ndarray = self.table["speech_seconds"].to_numpy()
        return seconds

    @cached_property
    def vectors(self) -> np.ndarray:
        """(n, D) float32, read-only: the vector of each recording, L2-normalised; NaN where it failed.

        A view of Arrow's memory where that is in one piece and no recording failed. Else it is copied once:
        Arrow keeps a piece for each shard, and no row for a failure.
        """
        column = self.table["embedding"]
        vectors = matrix(column)
        if column.num_chunks == 1 and not column.null_count:
            flat = column.chunk(0).flatten().to_numpy(zero_copy_only=True)
            vectors = flat.reshape(len(self), -1)
        vectors.flags.writeable = False
        return vectors

    @cached_property
    def _pipeline(self) -> Community | None:
        stored = read_pipeline(self.embeddings_dir, self.metadata)
        return None if stored is None else Community.of(stored.numbers, stored.arrays)

    def tracks(self, recording_id: str) -> Tracks:
        """Return the tracks of one recording; raises as `archive[id]` does."""
        return self[recording_id].tracks

    def diarize(
        self,
        recording_id: str,
        *,
        num_speakers: int | Literal["auto"] | None = None,
        min_speakers: int | None = None,
        max_speakers: int | None = None,
        preset: PresetName = "auto",
    ) -> Diarization:
        """Find who speaks when in one recording, without its audio.

        Args:
            recording_id: of the recording.
            num_speakers: how many speak. Default: what the list that named the recording says, else what the
                data show; `auto`: what the data show, whatever the list says.
            min_speakers: fewest that may speak.
            max_speakers: most that may speak.
            preset: as for `diar.diarize`.

        Raises:
            ArgumentError: an argument that cannot be used, or stage 1 ran without segmentation.
            DiarError: as `archive[id]`.
        """
        exact = None if num_speakers == "auto" else num_speakers
        asked = checked(exact, min_speakers, max_speakers, preset)
        if self._pipeline is not None and preset != "auto":
            raise ArgumentError(
                f"`preset={preset}`: stage 1 ran a pipeline, which has no presets; leave it out"
            )
        asked = replace(asked, pipeline=self._pipeline)
        listed = self.table["num_speakers"][self._number(recording_id)].as_py()
        if num_speakers is None and listed is not None and asked.count.clip(listed) == listed:
            asked = replace(asked, count=SpeakerCount(listed, listed), source="manifest")
        return of_voice(self[recording_id], asked)

    def to_pandas(self) -> pandas.DataFrame:
        """Return the index as a table, one row a recording; `embedding` holds arrays (D,).

        Raises:
            MissingPackageError: pandas is not installed.
        """
        try:
            return self.table.to_pandas()
        except ImportError:
            raise MissingPackageError("to_pandas", "pandas") from None

    def _number(self, recording_id: str) -> int:
        if not isinstance(recording_id, str):
            raise ArgumentError(f"`recording_id={recording_id}`; ids are texts, see `archive.ids`")
        if recording_id not in self._row:
            raise UnknownRecordingError(self.embeddings_dir, recording_id, self.ids)
        return self._row[recording_id]
