"""Whose voice each sliding window of an archive is: by recording, or by turns."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from diar.detect.clustering.similarity import unit_rows
from diar.detect.observations import Windows
from diar.detect.sides import Sides
from diar.errors import DiarError
from diar.formats.matching import match_names
from diar.formats.rttm import read_turns
from diar.intervals import at_least
from diar.records import OK, Turn
from diar.store.reader import RecordingIndex, TracksReader

ValueT = TypeVar("ValueT")
_Label = Callable[[str, Windows], np.ndarray]  # names (n,) of the windows of a recording, "" for none
_HEADER = ["recording", "speaker"]  # that a CSV file may have
_LEAST_SECONDS = 0.5  # of single-speaker speech in a window
_OWN, _OTHERS = 0.8, 0.05  # share of a window that its speaker has at least, and all others at most


class LabelsError(DiarError):
    """Labels that cannot be read, or are about other recordings."""


@dataclass(frozen=True)
class Examples:
    """Embeddings of n windows with their speakers."""

    embedding: np.ndarray  # (n, D) float32
    speaker: np.ndarray  # (n,) str
    recording: np.ndarray  # (n,) int
    failed: dict[str, str]  # recordings without tracks, and why

    def thinned(self, most: int, seed: int) -> Examples:
        """Return at most `most` windows a speaker, drawn evenly."""
        random = np.random.default_rng(seed)
        order = random.permutation(len(self.speaker))
        _, speaker = np.unique(self.speaker, return_inverse=True)
        rank = np.empty(len(order), np.int64)
        for number in range(int(speaker.max(initial=-1)) + 1):
            own = order[speaker[order] == number]
            rank[own] = np.arange(len(own))
        return self.chosen(rank < most)

    def chosen(self, rows: np.ndarray) -> Examples:
        """Return those of `rows`."""
        return Examples(self.embedding[rows], self.speaker[rows], self.recording[rows], self.failed)

    def by_recording(self) -> Examples:
        """Return one unit vector for each speaker of each recording, the mean of the windows."""
        pairs = np.unique(self.speaker, return_inverse=True)[1], self.recording
        _, first, number = np.unique(np.stack(pairs), axis=1, return_index=True, return_inverse=True)
        sums = np.zeros((len(first), self.embedding.shape[1]))
        np.add.at(sums, number.ravel(), self.embedding)
        return Examples(
            unit_rows(sums).astype(np.float32), self.speaker[first], self.recording[first], self.failed
        )


def read_examples(
    embeddings_dir: str, index: RecordingIndex, speakers: str | None, turns: Path | None
) -> Examples:
    """Return the windows of an archive with the speakers that one of the two options tells.

    Raises:
        DiarError: labels that cannot be read, or are about other recordings.
    """
    reader = TracksReader(embeddings_dir)
    if turns is not None:
        return of_turns(reader, index, read_labelled_turns(turns, index))
    assert speakers is not None
    return of_recordings(reader, index, read_speakers(speakers, index))


def of_recordings(reader: TracksReader, index: RecordingIndex, speakers: Mapping[str, str]) -> Examples:
    """Return the windows of recordings with one speaker each.

    Args:
        reader: of the archive.
        index: of the archive.
        speakers: by recording id.
    """

    def label(recording_id: str, windows: Windows) -> np.ndarray:
        return np.full(len(windows), speakers[recording_id])

    return _collected(reader, index, speakers, label)


def of_turns(reader: TracksReader, index: RecordingIndex, turns: Mapping[str, Sequence[Turn]]) -> Examples:
    """Return the windows in which one speaker of the turns talks, and no other.

    Args:
        reader: of the archive.
        index: of the archive.
        turns: by recording id; a name is one person in all recordings.
    """

    def label(recording_id: str, windows: Windows) -> np.ndarray:
        own: dict[str, list[tuple[float, float]]] = {}
        for turn in turns[recording_id]:
            own.setdefault(turn.speaker, []).append((turn.start, turn.end))
        names = sorted(own)
        spoken = np.zeros((len(names) + 2, len(windows)))  # two more, so that there is always a second one
        for number, name in enumerate(names):
            for start, end in at_least(1, [np.array(own[name])]):  # turns of one speaker may overlap
                common = np.minimum(end, windows.end) - np.maximum(start, windows.start)
                spoken[number] += np.maximum(common, 0)
        length = windows.end - windows.start
        first, second = np.sort(spoken, axis=0)[::-1][:2]
        clear = (first >= _OWN * length) & (second <= _OTHERS * length)
        return np.where(clear, np.array([*names, "", ""])[spoken.argmax(axis=0)], "")

    return _collected(reader, index, turns, label)


def _collected(
    reader: TracksReader, index: RecordingIndex, labelled: Mapping[str, object], label: _Label
) -> Examples:
    found: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    unknown = set(labelled) - set(index.recording_id)
    failed = dict.fromkeys(sorted(unknown), "the archive has no such recording")
    for row, recording_id in enumerate(index.recording_id):
        if recording_id not in labelled:
            continue
        if index.status[row] != OK:
            failed[recording_id] = f"{index.status[row]}: {index.error[row]}"
            continue
        try:
            sides = Sides.of(reader.read(recording_id, int(index.shard[row])))
        except DiarError as error:
            failed[recording_id] = str(error)
            continue
        for observed in sides.observed.values():
            windows = observed.windows[observed.windows.seconds >= _LEAST_SECONDS]
            names = label(recording_id, windows)
            kept = names != ""
            found.append((windows.embedding[kept], names[kept], np.full(int(kept.sum()), row)))
    if not found:
        return Examples(np.empty((0, index.embedding.shape[1]), np.float32), *_nothing(), failed)
    embedding, speaker, recording = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return Examples(embedding, speaker, recording, failed)


def _nothing() -> tuple[np.ndarray, np.ndarray]:
    return np.empty(0, "<U1"), np.empty(0, np.int64)


def read_speakers(source: str, index: RecordingIndex) -> dict[str, str]:
    """Return the speaker of each recording that has one.

    Args:
        source: `folder` (the first folder of its id), `manifest` (`label`), or a CSV file of both.
        index: of the archive.

    Raises:
        LabelsError: nothing is labelled, or a file that cannot be read.
    """
    if source == "folder":
        found = {one: one.split("/")[0] for one in index.recording_id if "/" in one}
    elif source == "manifest":
        listed = ((one, index.listed(row).label) for row, one in enumerate(index.recording_id))
        found = {one: label for one, label in listed if label}
    else:
        found = _of_index(index, dict(_csv_rows(Path(source))), source)
    if not found:
        raise LabelsError(f"`speakers={source}` labels none of {len(index)} recordings")
    return found


def read_labelled_turns(source: Path, index: RecordingIndex) -> dict[str, list[Turn]]:
    """Return the turns of each recording of the archive that has any.

    Raises:
        DiarError: they cannot be read, or are about other recordings.
    """
    return _of_index(index, read_turns(source), str(source))


def _of_index(index: RecordingIndex, given: dict[str, ValueT], source: str) -> dict[str, ValueT]:
    meant = match_names(index.recording_id, given)
    found = {meant[name]: value for name, value in given.items()}
    if not found.keys() & set(index.recording_id):
        raise LabelsError(
            f"{source} is about other recordings ({next(iter(given), 'none')}, …) than those of the archive "
            f"({index.recording_id[0]}, …)"
        )
    return found


def _csv_rows(path: Path) -> Iterator[tuple[str, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for number, row in enumerate(csv.reader(file), start=1):
                if not row or (number == 1 and row == _HEADER):
                    continue
                if len(row) != 2 or not all(cell.strip() for cell in row):
                    raise LabelsError(f"{path}, line {number}: a recording and its speaker are needed")
                yield row[0].strip(), row[1].strip()
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise LabelsError(f"{path} cannot be read: {error}") from None
