"""Words that somebody else wrote: CTM, STM, SegLST, WebVTT, the JSON of Whisper and WhisperX, and ours.

Formats that time only sentences have the time of each shared out among its words by their letters.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from diar.errors import DiarError, explain
from diar.formats.rttm import from_rttm_id, without_comment
from diar.records import MIXED, Word
from diar.texts import from_json

Recordings = dict[str | None, list[Word]]  # by recording id; None: the file does not say
_TOLD = 300  # characters of what is wrong, which may quote the file
_TAG = re.compile(r"<[^>]*>")
_TIME_TAG = re.compile(r"<((?:\d+:)?\d\d:\d\d\.\d{3})>")
_CUE_TIMES = re.compile(r"^((?:\d+:)?\d\d:\d\d\.\d{3})\s+-->\s+((?:\d+:)?\d\d:\d\d\.\d{3})")


class WordsError(DiarError):
    """A file of words that cannot be read."""


def read_words(path: Path) -> Recordings:
    """Read words by their file's suffix: .ctm, .stm, .vtt, .json (Whisper, WhisperX, SegLST, ours).

    Returns:
        The words of each recording that the file names, ascending by start; under None where it names none.
        They have the speakers that the file names.

    Raises:
        WordsError: another suffix; a file that is missing or broken, with the place.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise WordsError(f"{path} has none of the suffixes of words: {', '.join(_READERS)}")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise WordsError(f"{path} is not UTF-8 (byte {error.start})") from None
    except OSError as error:
        raise WordsError(explain(error)) from None
    try:
        found = reader(text)
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
        what = f"lacks {error}" if isinstance(error, KeyError) else str(error)
        raise WordsError(f"{path}: {what if len(what) <= _TOLD else what[:_TOLD] + '…'}") from None
    return {recording: sorted(words, key=lambda word: word.start) for recording, words in found.items()}


def parse_ctm(text: str) -> Recordings:
    """Parse CTM: recording, channel from 1 or A, start, duration, word, and a confidence if there is one.

    Raises:
        ValueError: a line with too few fields, or times that are none.
    """
    found: Recordings = {}
    for number, fields in _fields(text, "CTM needs file channel start duration word"):
        start, duration = _seconds(fields[2], number), _seconds(fields[3], number)
        probability = float(fields[5]) if len(fields) > 5 and fields[5].upper() != "NA" else None
        text, channel = from_rttm_id(fields[4]), _channel(fields[1])
        word = Word(start, start + duration, text, probability, channel=channel)
        found.setdefault(from_rttm_id(fields[0]), []).append(word)
    return found


def parse_stm(text: str) -> Recordings:
    """Parse STM: recording, channel from 1 or A, speaker, start, end, a label in <> if there is one, text.

    Raises:
        ValueError: a line with too few fields, or times that are none.
    """
    found: Recordings = {}
    for number, fields in _fields(text, "STM needs file channel speaker start end"):
        start, end = _seconds(fields[3], number), _seconds(fields[4], number)
        said = fields[6:] if fields[5:] and fields[5].startswith("<") else fields[5:]
        words = spread(" ".join(said), start, end, from_rttm_id(fields[2]))
        own = found.setdefault(from_rttm_id(fields[0]), [])
        own += [replace(word, channel=_channel(fields[1])) for word in words]
    return found


def _channel(text: str) -> int:
    """Return the number of a channel that NIST's formats call 1, 2 or A, B; MIXED for other names."""
    if text.isdecimal():
        return max(int(text) - 1, MIXED)
    return ord(text.upper()) - ord("A") if len(text) == 1 and text.isascii() and text.isalpha() else MIXED


def _fields(text: str, needed: str) -> Iterator[tuple[int, list[str]]]:
    """Yield number and fields, five or more, of each line that is not empty; a comment begins with `;;`."""
    for number, line in enumerate(text.splitlines(), start=1):
        fields = without_comment(line).split()
        if fields and len(fields) < 5:
            raise ValueError(f"line {number} has {len(fields)} fields, {needed}")
        if fields:
            yield number, fields


def _seconds(text: str, line: int) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e9:
        raise ValueError(f"line {line}: {text!r} are no seconds")
    return value


def parse_vtt(text: str) -> Recordings:
    """Parse WebVTT; times within a cue (`<00:00:01.500>`) are kept.

    Raises:
        ValueError: it does not begin with WEBVTT.
    """
    if not text.startswith("WEBVTT"):
        raise ValueError("does not begin with WEBVTT")
    words: list[Word] = []
    for block in re.split(r"\n\s*\n", text.replace("\r\n", "\n")):
        lines = block.strip().split("\n")
        for number, line in enumerate(lines):
            if times := _CUE_TIMES.match(line):
                words += _of_cue(_clock(times[1]), _clock(times[2]), " ".join(lines[number + 1 :]))
                break
    return {None: words}


def _of_cue(start: float, end: float, content: str) -> Iterator[Word]:
    """Yield the words of a cue, between the times that stand in it."""
    parts = _TIME_TAG.split(content)  # text, time, text, time, text
    times = [start, *(_clock(time) for time in parts[1::2]), end]
    for text, begin, stop in zip(parts[::2], times, times[1:], strict=False):
        yield from spread(html.unescape(_TAG.sub("", text)), begin, stop)


def _clock(text: str) -> float:
    seconds = 0.0
    for part in text.split(":"):
        seconds = seconds * 60 + float(part)
    return seconds


def parse_json(text: str) -> Recordings:
    """Parse the JSON of Whisper, WhisperX, SegLST or this program.

    Raises:
        ValueError, KeyError: it is none of them.
    """
    document = from_json(text)
    if isinstance(document, list):
        return _seglst(document)
    if document.get("schema") == "diar.words":
        return {document["recording_id"]: [_own_word(word) for word in document["words"]]}
    if "segments" not in document:
        raise ValueError("has neither `segments`, as Whisper and WhisperX write, nor the items of SegLST")
    return {None: [word for segment in document["segments"] for word in _of_segment(segment)]}


def _own_word(fields: dict[str, Any]) -> Word:
    times = float(fields["start"]), float(fields["end"])
    probability, speaker = fields.get("probability"), fields.get("speaker")
    return Word(*times, fields["text"], probability, speaker, channel=int(fields.get("channel", MIXED)))


def _seglst(items: list[dict[str, Any]]) -> Recordings:
    found: Recordings = {}
    for item in items:
        times = float(item["start_time"]), float(item["end_time"])
        words = spread(item["words"], *times, item.get("speaker"))
        found.setdefault(str(item["session_id"]), []).extend(words)
    return found


def _of_segment(segment: dict[str, Any]) -> Iterator[Word]:
    """Yield the words of a segment; those without times (numbers) lie between their neighbours."""
    words, speaker = segment.get("words"), segment.get("speaker")
    if not words:
        yield from spread(segment["text"], float(segment["start"]), float(segment["end"]), speaker)
        return
    known = [number for number, word in enumerate(words) if word.get("start") is not None]
    end_of = {number: float(words[number].get("end", words[number]["start"])) for number in known}
    for number, word in enumerate(words):
        start, end = word.get("start"), end_of.get(number)
        if start is None or end is None:
            before = max((n for n in known if n < number), default=None)
            after = min((n for n in known if n > number), default=None)
            start = float(segment["start"]) if before is None else end_of[before]
            end = float(segment["end"]) if after is None else float(words[after]["start"])
        probability = word.get("probability", word.get("score"))
        who = word.get("speaker", speaker)
        for one in spread(word["word"], float(start), max(float(end), float(start)), who):
            yield replace(one, probability=None if probability is None else float(probability))


def spread(text: str, start: float, end: float, speaker: str | None = None) -> Iterator[Word]:
    """Yield the words of `text` from `start` to `end`, each as long as its share of the letters."""
    words = text.split()
    letters = sum(map(len, words))
    position = start
    for word in words:
        until = position + (end - start) * len(word) / letters
        yield Word(position, until, word, speaker=speaker)
        position = until


_READERS: dict[str, Callable[[str], Recordings]] = {
    ".ctm": parse_ctm,
    ".stm": parse_stm,
    ".vtt": parse_vtt,
    ".json": parse_json,
}


def readable_suffixes() -> Iterable[str]:
    """Return the suffixes of files that `read_words` reads."""
    return _READERS
