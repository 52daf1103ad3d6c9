"""Lists of recordings: Kaldi's `wav.scp` and NeMo's JSON-lines manifest."""

from __future__ import annotations

import json
import re
from array import array
from collections.abc import Collection, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from diar import storage
from diar.archive.finder import Entry, Finder
from diar.archive.protocols import check_protocols, protocols_of
from diar.archive.recording import ListingError, Recording, check_recording_id, check_text
from diar.archive.recording_table import Recordings
from diar.texts import from_json

LIST_SUFFIXES = frozenset({".scp", ".json", ".jsonl"})

_USED = ("recording_id", "audio_filepath", "audio_file", "offset", "duration", "num_speakers", "label")
_FIELDS = frozenset([*_USED, "rttm_filepath", "text"])  # of a manifest; all but `text` are used
_NO_LABEL = frozenset(("", "-", "infer", "unk", "unknown"))  # placeholders in manifests for a label
_FIELDS_SHOWN = 10
_MOST_SPEAKERS = 10_000
_LATEST = 1e9  # seconds, thirty years
_SHOWN = 60  # characters of a value
_SHOWN_PATH = 200  # of a path or a line


def read_list(url: str, protocols: Collection[str] = ()) -> tuple[Recordings, list[str]]:
    """Read a `wav.scp` (`*.scp`: `recording-id path` a line) or a NeMo manifest (a JSON object a line).

    Relative paths of a wav.scp are looked for in the current directory, as Kaldi does, then in the list's
    folder; those of a manifest in the manifest's folder, as NeMo does, then in the current directory.

    These fields of a manifest are used: `audio_filepath`, `offset` and `duration` (a part of the file),
    `recording_id` (default: the path and the part), `num_speakers`, `label` (name of the only speaker; NeMo's
    placeholder `infer` counts as none), and `rttm_filepath` (true turns, looked for as audio is). A warning
    names the other fields once.

    Args:
        url: of the list.
        protocols: of URLs that it may name, besides local files and its own protocol.

    Returns:
        Recordings in the list's order, and warnings. A missing file stays in the list; decoding reports it.

    Raises:
        ListingError: a line cannot be understood, is a command (`… |`), or repeats an id.
    """
    is_scp = url.lower().endswith(".scp")
    try:
        text = storage.read_bytes(url).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ListingError(f"{url}: not valid UTF-8 ({error.reason} at byte {error.start})") from error
    lines = _lines(text) if is_scp or not text.lstrip().startswith("[") else _items(text, url)
    folder = _folder_of(url)
    finder = Finder(folder, current_first=is_scp)
    numbers, allowed = array("q"), {*protocols, *protocols_of(url)}
    unused: dict[str, None] = {}

    def entries() -> Iterator[Recording]:
        for number, line in lines:
            if isinstance(line, str) and not line.strip():
                continue
            where = f"{url}, line {number}"
            entry = _scp_entry(line, where) if is_scp else _manifest_entry(line, folder, where, unused)
            _check(entry, allowed, where)
            numbers.append(number)
            yield finder.recording(entry)

    recordings = Recordings.of(entries())
    _check_unique(recordings, numbers, url)
    return recordings, [*finder.warnings(), *_unused_warning(url, list(unused))]


def _check(entry: Entry, protocols: Collection[str], where: str) -> None:
    check_recording_id(entry.recording_id, where)
    for text in (entry.path, entry.reference, entry.label):
        check_text(text, where)
    for path in filter(None, (entry.path, entry.reference)):
        check_protocols(path, protocols, where)


def _unused_warning(url: str, names: list[str]) -> list[str]:
    if not names:
        return []
    more = f" and {len(names) - _FIELDS_SHOWN} more" if len(names) > _FIELDS_SHOWN else ""
    return [f"{url}: fields that diar does not use: {', '.join(names[:_FIELDS_SHOWN])}{more}"]


def _check_unique(recordings: Recordings, numbers: array[int], url: str) -> None:
    ids = recordings.table["recording_id"]
    if len(pc.unique(ids)) == len(ids):
        return
    first_line: dict[str, int] = {}
    for recording_id, number in zip(ids.to_pylist(), numbers, strict=True):
        earlier = first_line.setdefault(recording_id, number)
        if earlier != number:
            raise ListingError(
                f"{url}, line {number}: {recording_id[:_SHOWN_PATH]!r} is already on line {earlier}; "
                "remove one"
            )


def _scp_entry(line: str, where: str) -> Entry:
    recording_id, _, path = line.strip().partition(" ")
    if "\t" in recording_id:
        recording_id, _, path = line.strip().partition("\t")
    path = path.strip()
    shown = repr(path[:_SHOWN_PATH])
    if not path:
        raise ListingError(f"{where}: {line.strip()[:_SHOWN_PATH]!r} is not 'recording-id path'")
    if path.endswith("|"):
        raise ListingError(
            f"{where}: {shown} is a command, and diar runs none from a list; run it and list its output"
        )
    if re.search(r"\.ark:\d+$", path):
        raise ListingError(f"{where}: {shown} points into a Kaldi archive; list audio files instead")
    return Entry(recording_id, path)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield (number, text) of each line, one by one, because a list may have millions."""
    start = 0
    for number in count(1):
        end = text.find("\n", start)
        if end < 0:
            yield number, text[start:]
            return
        yield number, text[start:end]
        start = end + 1


def _items(text: str, url: str) -> Iterator[tuple[int, Any]]:
    """Return (position, item) pairs of a file that is one JSON array."""
    try:
        items = from_json(text)
    except ValueError as error:
        line = f", line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise ListingError(f"{url}{line}: not JSON ({getattr(error, 'msg', error)})") from error
    return iter(enumerate(items, 1))


def _manifest_entry(line: Any, folder: str, where: str, unused: dict[str, None]) -> Entry:
    """Return the entry of a line; add the names of fields without use to `unused`."""
    try:
        item = from_json(line) if isinstance(line, str) else line
    except ValueError as error:
        raise ListingError(f"{where}: not JSON ({getattr(error, 'msg', error)})") from error
    path = (item.get("audio_filepath") or item.get("audio_file")) if isinstance(item, dict) else None
    if not isinstance(path, str):
        raise ListingError(f"{where}: no audio file; each line is an object with 'audio_filepath'")
    offset = _seconds(item, "offset", where) or 0.0
    duration = _seconds(item, "duration", where)
    recording_id = _given_id(item.get("recording_id"), where) or _id_of_path(path, folder)
    is_part = offset or (duration is not None and item.get("offset") is not None)
    if is_part and item.get("recording_id") is None:
        end = "" if duration is None else _plain(offset + duration)
        recording_id = f"{recording_id}@{_plain(offset)}-{end}"
    if not item.keys() <= _FIELDS:
        unused.update(dict.fromkeys(key for key in item if key not in _FIELDS))
    return Entry(
        recording_id,
        path,
        offset,
        duration,
        num_speakers=_speaker_count(item.get("num_speakers"), where),
        label=_label(item.get("label"), unused),
        reference=_reference(item.get("rttm_filepath"), where),
    )


def _given_id(value: Any, where: str) -> str | None:
    if value is not None and (not isinstance(value, str) or not value):
        raise ListingError(f"{where}: recording_id is {_shown(value)}; give a name, or leave it out")
    return value


def _speaker_count(value: Any, where: str) -> int | None:
    if value is None:
        return None
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 1 <= value <= _MOST_SPEAKERS or value != int(value):
        raise ListingError(f"{where}: num_speakers is {_shown(value)}; give a number from 1, or leave it out")
    return int(value)


def _label(value: Any, unused: dict[str, None]) -> str | None:
    """Return a label that is text or a number; anything else, such as a list of labels, counts as unused."""
    if isinstance(value, bool) or not isinstance(value, str | int | None):
        unused["label"] = None
        return None
    label = "" if value is None else str(value).strip()
    return None if label.lower() in _NO_LABEL else label


def _reference(value: Any, where: str) -> str | None:
    if value is not None and not isinstance(value, str):
        raise ListingError(f"{where}: rttm_filepath is {_shown(value)}; give a path, or leave it out")
    return value or None


def _seconds(item: dict[str, Any], key: str, where: str) -> float | None:
    value = item.get(key)
    if value is None:
        return None
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 <= value <= _LATEST or (key == "duration" and value == 0):
        raise ListingError(
            f"{where}: {key} is {_shown(value)}; give seconds, at most {_LATEST:g}, or leave it out"
        )
    return float(value)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def _plain(seconds: float) -> str:
    """Return seconds with two decimals, or as many more (up to microseconds) as the value has."""
    whole, _, decimals = f"{seconds:.6f}".partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(2, '0')}"


def _id_of_path(path: str, folder: str) -> str:
    """Return a path relative to the manifest's folder, or outside of it without its leading slash."""
    if storage.local_path(path) is None:
        inside = path.startswith(folder.rstrip("/") + "/")
        return path[len(folder) :].lstrip("/") if inside else path.partition("://")[2].lstrip("/")
    if storage.local_path(folder) is None:
        return path.lstrip("/")
    absolute = storage.absolute(Path(folder, path))
    root = storage.absolute(folder).rstrip("/") + "/"
    return absolute[len(root) :] if absolute.startswith(root) else absolute.lstrip("/")


def _folder_of(url: str) -> str:
    link, chained, rest = url.partition("::")
    return link.rpartition("/")[0] + chained + rest
