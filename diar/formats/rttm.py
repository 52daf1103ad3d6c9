"""RTTM: tolerant reading, and writing that every tool reads; UEM for scoring.

A line is `SPEAKER file channel start duration <NA> <NA> speaker <NA> <NA>`, fields separated by blanks
(NIST RT-09 evaluation plan, appendix A). Names with blanks are written in percent-encoding, see `rttm_id`.
Times are seconds from the start of the recording.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from operator import attrgetter
from pathlib import Path
from urllib.parse import quote, unquote

from diar.errors import DiarError
from diar.records import Turn

ALL_NAME = "all.rttm"  # the turns of a whole archive, in stage 2's output directory
_OTHER_RECORDS = frozenset(
    [
        "SEGMENT",
        "NOSCORE",
        "NO_RT_METADATA",
        "LEXEME",
        "NON-LEX",
        "NON-SPEECH",
        "FILLER",
        "EDIT",
        "IP",
        "SU",
        "CB",
        "A/P",
        "SPKR-INFO",
    ]
)
_LINE_END = re.compile("\r\n|\r|\n")
_BLANKS = re.compile("[ \t]+")
_COMMENT = re.compile(r"(?:^|\s);;.*", re.DOTALL)
_DECIMALS = 3
_TOLD = 200  # characters of a line in a message
_ORDER = attrgetter("start", "end", "speaker")
_LATEST = 1e9  # seconds, thirty years


class RttmError(DiarError):
    """An RTTM or UEM file that cannot be read."""


Region = tuple[float, float]  # start and end in seconds


def rttm_id(name: str) -> str:
    """Return the name of a recording or speaker as one RTTM field; the inverse is `from_rttm_id`.

    Blanks, control characters, ";;" (a comment to many readers) and "%" itself become percent-encoded UTF-8
    ("my talk.wav" becomes "my%20talk.wav"); everything else, "/" included, stays as it is.
    """
    if not name:
        raise ValueError("RTTM has no way to write an empty name")
    coded = "".join(
        quote(c, safe="", errors="surrogateescape") if c in " %" or not c.isprintable() else c for c in name
    )
    return coded.replace(";;", "%3B%3B")


def from_rttm_id(field: str) -> str:
    """Return the name that `rttm_id` wrote; a field without percent-encoding stays as it is."""
    return unquote(field, errors="surrogateescape") if "%" in field else field


def without_comment(line: str) -> str:
    """Return a line without the comment that a field beginning with ";;" starts; a name may hold ";;"."""
    return _COMMENT.sub("", line) if ";;" in line else line


def format_rttm(turns: Iterable[Turn], name: str | None = None) -> str:
    """Format `turns` in the order given, in milliseconds; what rounds to nothing is left out.

    `name` is what the recording is called instead of its id.

    Start and end are rounded, not the duration, so that turns which touch still touch.
    """
    lines = []
    for turn in turns:
        start, end = round(turn.start, _DECIMALS), round(turn.end, _DECIMALS)
        if end > start:
            recording, speaker = rttm_id(name or turn.recording), rttm_id(turn.speaker)
            span = f"{start:.{_DECIMALS}f} {end - start:.{_DECIMALS}f}"
            channel = max(turn.channel, 0) + 1  # counted from 1; a recording that is one signal has 1
            lines.append(f"SPEAKER {recording} {channel} {span} <NA> <NA> {speaker} <NA> <NA>\n")
    return "".join(lines)


def write_rttm(path: Path, turns: Iterable[Turn]) -> None:
    """Write `format_rttm(turns)` as UTF-8."""
    path.write_text(format_rttm(turns), encoding="utf-8", newline="\n")


def read_rttm(path: Path) -> dict[str, list[Turn]]:
    """Read the turns of one file, by recording; each recording's turns ascending by start.

    Raises:
        RttmError: a line that is not RTTM, with its number; not UTF-8.
        OSError: the file cannot be opened.
    """
    return parse_rttm(_read_text(path), str(path))


def parse_rttm(text: str, source: str) -> dict[str, list[Turn]]:
    """Parse RTTM text; `source` is what errors name.

    Comments (";;", "#"), empty lines, the other record types of RTTM and turns of no length are skipped.
    Fields after the speaker may be missing. Channels are ignored.

    Raises:
        RttmError: see `read_rttm`.
    """
    turns: dict[str, list[Turn]] = {}
    for number, fields in _records(text):
        if fields[0] in _OTHER_RECORDS:
            continue
        where = f"{source}, line {number}"
        if fields[0] != "SPEAKER":
            raise RttmError(
                f"{where} starts with {fields[0][:40]!r}, RTTM needs SPEAKER file channel start duration …"
            )
        if len(fields) < 8:
            raise RttmError(
                f"{where} has {len(fields)} fields, the speaker's name is the 8th: {_shown(fields)}"
            )
        start, duration = (_seconds(where, fields[i], name) for i, name in ((3, "start"), (4, "duration")))
        if duration > 0:
            recording, speaker = from_rttm_id(fields[1]), from_rttm_id(fields[7])
            turns.setdefault(recording, []).append(Turn(recording, start, start + duration, speaker))
    for found in turns.values():
        found.sort(key=_ORDER)
    return turns


def read_turns(path: Path) -> dict[str, list[Turn]]:
    """Read an RTTM file, or a folder: its `all.rttm` if there is one, else every .rttm file below it.

    In a folder, a file without turns stands for a recording without speech that has the file's name.

    Raises:
        RttmError: no such path, a folder without RTTM, a recording in two files, a broken line.
    """
    if path.is_file():
        return read_rttm(path)
    if not path.is_dir():
        raise RttmError(f"{path} is neither an RTTM file nor a folder of them")
    if (path / ALL_NAME).is_file():
        return read_rttm(path / ALL_NAME)
    turns: dict[str, list[Turn]] = {}
    read_from: dict[str, Path] = {}
    for file in sorted(path.rglob("*.rttm")):
        found = read_rttm(file) or {file.relative_to(path).with_suffix("").as_posix(): []}
        for recording in found:
            if recording in read_from:
                raise RttmError(f"{read_from[recording]} and {file} both hold turns of {recording}; keep one")
            read_from[recording] = file
        turns.update(found)
    if not read_from:
        raise RttmError(f"{path} holds no .rttm file")
    return turns


def read_uem(path: Path) -> dict[str, list[Region]]:
    """Read the scored regions of each recording: lines `file channel start end`, in seconds.

    Raises:
        RttmError: a line that is not UEM, with its number; not UTF-8.
        OSError: the file cannot be opened.
    """
    regions: dict[str, list[Region]] = {}
    for number, fields in _records(_read_text(path)):
        where = f"{path}, line {number}"
        if len(fields) < 4:
            raise RttmError(
                f"{where} has {len(fields)} fields, UEM needs file channel start end: {_shown(fields)}"
            )
        start, end = (_seconds(where, fields[i], name) for i, name in ((2, "start"), (3, "end")))
        if end <= start:
            raise RttmError(f"{where}: the region ends at {end:g} s, not after its start at {start:g} s")
        regions.setdefault(from_rttm_id(fields[0]), []).append((start, end))
    return {recording: sorted(found) for recording, found in regions.items()}


def _records(text: str) -> Iterable[tuple[int, list[str]]]:
    """Yield line number and fields of the lines that are neither empty nor a comment."""
    for number, line in enumerate(_LINE_END.split(text), start=1):
        content = without_comment(line).strip(" \t")
        if content and content[0] not in "#;":
            # `split()` is three times as fast, but takes more for blanks than RTTM does
            plain = content.isascii() and content.isprintable()
            yield number, content.split() if plain else _BLANKS.split(content)


def _read_text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RttmError(
            f"{path} is not UTF-8 (byte {error.start}); convert it, for example by iconv"
        ) from None


def _shown(fields: list[str]) -> str:
    """Return a line for a message, cut where it is long."""
    line = " ".join(fields)
    return line if len(line) <= _TOLD else line[:_TOLD] + "…"


def _seconds(where: str, text: str, name: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= _LATEST:  # NaN is not
        raise RttmError(
            f"{where}: the {name} is {text[:40]!r}, seconds from 0 are needed, at most {_LATEST:g}"
        )
    return value
