"""`verify` of an output of stage 2: its lists against the files, its files against each other and stage 1."""

from __future__ import annotations

import csv
import hashlib
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, groupby

import numpy as np

from diar import storage
from diar.custody.files import all_files, is_temporary
from diar.custody.places import LISTS
from diar.custody.removal.tombstone import journal_of, of_result
from diar.custody.verification.findings import (
    DAMAGED,
    DUPLICATE,
    FOREIGN,
    LEFTOVER,
    MISSING,
    PURGE_UNDER_WAY,
    UNFINISHED,
    WRONG,
    Findings,
)
from diar.formats.document import ResultError
from diar.formats.files_table import FILES_NAME
from diar.formats.html.words_text import WORDS_SCRIPT
from diar.formats.result_json import RESULT_NAME, read_result
from diar.formats.rttm import ALL_NAME, RttmError, from_rttm_id, parse_rttm
from diar.formats.turns_json import TURNS_NAME, RecordingTurns, read_recording_turns
from diar.formats.words.table import FORMATS
from diar.outputs.managed_directory import FOLDER_LIST, Entry, OutputDirectory, OutputError, is_of_lock
from diar.outputs.speakers_table import SPEAKERS_NAME
from diar.outputs.turns import RECORDINGS_NAME, RTTM_NAME
from diar.records import Turn
from diar.store.layout import Layout
from diar.store.parquet import StoreError, read_table
from diar.store.reader import load_index
from diar.store.schema import matrix
from diar.wording import counted

WORDS_FILES = frozenset([WORDS_SCRIPT, *(one.file_name for one in FORMATS.values())])
_PURGED_FILES = frozenset(["_detection/purged.json", "_detection/purge_under_way.json"])
_UNIT = 1e-3  # how far the length of a centroid may be from 1
_SAME = 1e-6  # seconds
_REMEDY = "run stage 2 again"


class ResultCheck:
    """Looks at one output of stage 2.

    Args:
        root: of the output, local.
        advance: told of the bytes of each file that was looked at.
        embeddings_dir: the output of stage 1 that it was made from; None = the one that it names.
        files: what `all_files` found below `root`.
    """

    def __init__(
        self,
        root: str,
        advance: Callable[[int], object],
        embeddings_dir: str | None,
        files: dict[str, int],
    ) -> None:
        self._root = storage.require_local(root)
        self.findings = Findings(root, "result")
        self._advance, self._embeddings_dir, self._files = advance, embeddings_dir, files
        self._listed: set[str] = set()
        self._turns: dict[str, str] = {}  # hash of each recording's turns, by its name in RTTM files
        self._made_from: dict[str, tuple[str, float]] = {}  # fingerprint and duration, by recording
        self._heard: set[str] = set()  # names of people

    def run(self) -> Findings:
        """Look at everything."""
        self._check_lists()
        rows = list(self._rows())
        for row in rows:
            if row["folder"]:
                self._recording(row)
        if rows:
            self._check_tables(rows)
            self._check_stage_1({row["recording_id"] for row in rows})
        self._check_boundaries()
        if storage.exists(journal_of(of_result(str(self._root)))):
            self.findings.add(UNFINISHED, "_detection", PURGE_UNDER_WAY)
        self._others()
        return self.findings

    def _check_lists(self) -> None:
        for name in LISTS:
            if (self._root / name).exists():
                self._listed.add(name)
                self._check_entries(OutputDirectory(str(self._root), name), "", name)

    def _check_entries(self, output: OutputDirectory, prefix: str, list_name: str) -> None:
        try:
            entries = output.entries()
        except OutputError as error:
            self.findings.add(DAMAGED, prefix + list_name, str(error))
            return
        for entry in entries:
            self._listed.add(prefix + entry.name)
            if not output.is_as_written(entry) and not self._may_be_missing(entry, prefix):
                self.findings.add(MISSING, prefix + entry.name, f"the {entry.kind} is not there as written")
            elif entry.kind == "folder":
                self._listed.add(f"{entry.name}/{FOLDER_LIST}")
                self._check_entries(output.folder(entry.name), f"{entry.name}/", FOLDER_LIST)

    def _may_be_missing(self, entry: Entry, prefix: str) -> bool:
        """Return whether a listed file need not be there: audio that could not be cut, an unused table."""
        return entry.kind == "file" and entry.name.startswith("speakers/" if prefix else "manifests/")

    def _rows(self) -> Iterator[dict[str, str]]:
        """Yield the rows of `recordings.csv`, if it is there."""
        path = self._root / RECORDINGS_NAME
        if not path.exists():
            return
        try:
            with path.open(encoding="utf-8", newline="") as file:
                for row in csv.DictReader(file):
                    if None in row or row["recording_id"] is None or row["turns"] is None:
                        raise ValueError(f"a row of {len(row)} fields")
                    yield row
        except (ValueError, KeyError, csv.Error) as error:
            self.findings.add(DAMAGED, RECORDINGS_NAME, f"{type(error).__name__}: {error}; {_REMEDY}")

    def _recording(self, row: dict[str, str]) -> None:
        """Look at one recording's folder."""
        folder, recording_id = row["folder"], row["recording_id"]
        where = f"{folder}/{TURNS_NAME}"
        try:
            result = read_recording_turns(self._root / where)
            spoken = parse_rttm((self._root / folder / RTTM_NAME).read_text("utf-8"), f"{folder}/{RTTM_NAME}")
            told, in_rttm = _hash(result.turns), _hash(chain.from_iterable(spoken.values()))
        except (ResultError, RttmError, OSError, ValueError, TypeError, AttributeError) as error:
            self.findings.add(DAMAGED, where, str(error), recording_id=recording_id)
            return
        self.findings.counts["recordings"] += 1
        self._advance(self._files.get(where, 0))
        if complaint := _complaint(row, result, told == in_rttm):
            self.findings.add(WRONG, where, complaint, recording_id=recording_id)
        self._turns[from_rttm_id(row["rttm_id"])] = told
        self._made_from[recording_id] = (str(result.model.get("fingerprint")), result.duration)
        self._heard.update(speaker.name for speaker in result.speakers)
        self._embeddings_dir = self._embeddings_dir or self._named(result)

    def _named(self, result: RecordingTurns) -> str | None:
        """Return the output of stage 1 that a result names, if it is there."""
        place = result.parameters.get("embeddings_dir")
        return place if isinstance(place, str) and storage.exists(Layout(place).config) else None

    def _check_tables(self, rows: list[dict[str, str]]) -> None:
        counts = Counter(row["recording_id"] for row in rows)
        for again in (one for one, count in counts.items() if count > 1):
            self.findings.add(DUPLICATE, RECORDINGS_NAME, "it has two rows", recording_id=again)
        try:
            with (self._root / ALL_NAME).open(encoding="utf-8") as file:
                told = dict(_turns_by_recording(file))
        except (OSError, RttmError, ValueError) as error:
            self.findings.add(DAMAGED, ALL_NAME, str(error))
        else:
            for name, turns in self._turns.items():
                if told.pop(name, _hash(())) != turns:
                    self.findings.add(WRONG, ALL_NAME, f"not as in {TURNS_NAME}", recording_id=name)
            for name in told:
                self.findings.add(WRONG, ALL_NAME, f"not in {RECORDINGS_NAME}", recording_id=name)
        self._check_people(self._heard)

    def _check_people(self, heard: set[str]) -> None:
        try:
            table = read_table(str(self._root / SPEAKERS_NAME), _REMEDY)
            ids, names = table["speaker_id"].to_pylist(), set(table["name"].to_pylist())
            centroid = matrix(table["centroid"])
        except (StoreError, KeyError, AttributeError) as error:
            self.findings.add(DAMAGED, SPEAKERS_NAME, str(error))
            return
        self.findings.counts["people"] = len(ids)
        if len(set(ids)) < len(ids):
            self.findings.add(DUPLICATE, SPEAKERS_NAME, "two people have one id")
        if missing := heard - names:
            self.findings.add(WRONG, SPEAKERS_NAME, f"{counted(len(missing), 'person')} of the turns missing")
        there = np.isfinite(centroid).all(axis=1)  # a purge empties those of voices that it removes
        norms = np.linalg.norm(centroid[there], axis=1)
        if (np.isinf(centroid)).any() or (np.abs(norms - 1) > _UNIT).any():
            self.findings.add(WRONG, SPEAKERS_NAME, "a voice is not of unit length")

    def _check_boundaries(self) -> None:
        if not (self._root / RESULT_NAME).exists():
            return
        try:
            result = read_result(self._root / RESULT_NAME)
            with (self._root / FILES_NAME).open(encoding="utf-8", newline="") as file:
                rows = sum(row["position"] == str(number) for number, row in enumerate(csv.DictReader(file)))
        except (ResultError, OSError, ValueError, KeyError, csv.Error) as error:
            self.findings.add(DAMAGED, RESULT_NAME, str(error))
            return
        self.findings.counts["files"] = rows
        if rows != result.recordings:
            reason = f"{rows:,} rows in order, {RESULT_NAME} counts {result.recordings:,} recordings"
            self.findings.add(WRONG, FILES_NAME, reason)
        if not all(math.isfinite(cut.score) and math.isfinite(cut.confidence) for cut in result.boundaries):
            self.findings.add(WRONG, RESULT_NAME, "a score is not finite")

    def _check_stage_1(self, told: set[str]) -> None:
        """Compare the recordings, their lengths and the model with the output of stage 1, if it is known."""
        place = self._embeddings_dir
        if place is None:
            return
        try:
            index = load_index(place)
        except StoreError as error:
            self.findings.add(DAMAGED, place, str(error))
            return
        length = dict(zip(index.recording_id, index.duration.tolist(), strict=True))
        for recording_id, (fingerprint, seconds) in self._made_from.items():
            reason = ""
            if fingerprint != index.metadata["fingerprint"]:
                reason = f"made from extraction {fingerprint}, {place} is {index.metadata['fingerprint']}"
            elif abs(length.get(recording_id, seconds) - seconds) > _SAME:
                reason = f"{seconds} s, stage 1 says {length[recording_id]} s"
            if reason:
                self.findings.add(WRONG, TURNS_NAME, reason, recording_id=recording_id)
        for these, what in (
            (told - set(length), "no longer in stage 1"),
            (set(length) - told, "only in stage 1"),
        ):
            if these:
                reason = f"{counted(len(these), 'recording')} {what}, such as {min(these)}; {_REMEDY}"
                self.findings.add(UNFINISHED, RECORDINGS_NAME, reason)

    def _others(self) -> None:
        foreign = []
        for path in self._files:
            if is_temporary(path):
                self.findings.add(LEFTOVER, path, "left by a run that was killed")
            elif not (path in self._listed or _is_own(path)):
                foreign.append(path)
        if foreign:
            reason = f"{counted(len(foreign), 'file')} that diar did not write, the first is {foreign[0]}"
            self.findings.add(FOREIGN, ".", reason)


def _is_own(path: str) -> bool:
    """Return whether a file that no list names is diar's."""
    return path in _PURGED_FILES or path.rpartition("/")[2] in WORDS_FILES or is_of_lock(path)


def _complaint(row: dict[str, str], result: RecordingTurns, as_rttm: bool) -> str:
    """Return how a recording's files contradict each other, empty if they do not."""
    if result.recording_id != row["recording_id"]:
        return f"it is about {result.recording_id!r}"
    if not as_rttm:
        return f"its turns are not those of {RTTM_NAME}"
    if any(not math.isfinite(turn.end) or not 0 <= turn.start <= turn.end for turn in result.turns):
        return "a turn has impossible times"
    return ""


def _turns_by_recording(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield name and `_hash` of each recording of an RTTM file, whose lines stand together."""
    for _, own in groupby(lines, lambda line: line.split(maxsplit=2)[1:2]):
        for name, turns in parse_rttm("".join(own), ALL_NAME).items():
            yield name, _hash(turns)


def _hash(turns: Iterable[Turn]) -> str:
    """Return a hash of turns, in milliseconds and in any order."""
    told = sorted((round(turn.start, 3), round(turn.end, 3), turn.speaker) for turn in turns)
    return hashlib.sha256(repr(told).encode(errors="surrogateescape")).hexdigest()


def verify_result(
    root: str,
    advance: Callable[[int], object],
    embeddings_dir: str | None = None,
    files: dict[str, int] | None = None,
) -> Findings:
    """Look at an output of stage 2."""
    return ResultCheck(root, advance, embeddings_dir, all_files(root) if files is None else files).run()
