"""Words that somebody else wrote: CTM, STM, SegLST, WebVTT, the JSON of Whisper and WhisperX, and ours.

Formats that time only sentences have the time of each shared out among its words by their letters.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from diar.errors import DiarError, explain
from diar.formats.rttm import from_rttm_id
from diar.formats.words.found import FoundWords, Recordings, spread
from diar.formats.words.reading_json import parse_json
from diar.records import MIXED, Word

_LATEST = 1e9  # seconds, thirty years
_TOLD = 300  # characters of what is wrong, which may quote the file
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")
_TAG = re.compile(r"<[^>]*>")
_TIME_TAG = re.compile(r"<((?:\d+:)?\d\d:\d\d\.\d{3})>")
_NEEDED = 5  # fields of a line of CTM and STM
_LABEL = re.compile("<[^<>]*>")  # of an STM segment: `<o,f0,female>`
_GAP, _IGNORED = "inter_segment_gap", "ignore_time_segment_in_scoring"  # NIST SCTK, stm.5
_CUE_TIMES = re.compile(r"^((?:\d+:)?\d\d:\d\d\.\d{3})\s+-->\s+((?:\d+:)?\d\d:\d\d\.\d{3})")


class WordsError(DiarError):
    """A file of words that cannot be read."""


def read_words(path: Path) -> FoundWords:
    """Read words by their file's suffix: .ctm, .stm, .vtt, .json (Whisper, WhisperX, SegLST, ours).

    Returns:
        The words of each recording that the file names, ascending by start; under None where it names none.
        They have the speakers that the file names.

    Raises:
        WordsError: another suffix; a file that is missing or broken, with the place; words that have no
            text, or times or probabilities that are none.
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
        recordings = {name: [_checked(word) for word in words] for name, words in found.recordings.items()}
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
        what = f"lacks {error}" if isinstance(error, KeyError) else str(error)
        raise WordsError(f"{path}: {what if len(what) <= _TOLD else what[:_TOLD] + '…'}") from None
    ordered = {name: sorted(words, key=lambda word: word.start) for name, words in recordings.items()}
    return replace(found, recordings=ordered)


def _checked(word: Word) -> Word:
    """Return a word whose every value may be written again.

    Raises:
        ValueError: it has no text, or times, probability or speaker are none.
    """
    text = word.text.strip() if isinstance(word.text, str) else ""
    if not text:
        raise ValueError(f"the word at {word.start:g} s has no text, but {word.text!r}")
    if not 0 <= word.start <= word.end < _LATEST:  # NaN is not
        raise ValueError(f"{text!r} is said from {word.start:g} to {word.end:g} s")
    if word.probability is not None and not 0 <= word.probability <= 1:
        raise ValueError(f"{text!r} has the probability {word.probability:g}")
    speaker = str(word.speaker) if isinstance(word.speaker, int) else word.speaker
    if not isinstance(speaker, str | None):
        raise ValueError(f"{text!r} is said by {speaker!r}, which is no name")
    for one in (text, speaker or ""):
        if _HALF_CHARACTER.search(one):
            raise ValueError(f"{one!r} has half a character, which UTF-8 cannot hold")
    return replace(word, text=text, speaker=speaker or None)


def parse_ctm(text: str) -> FoundWords:
    """Parse CTM: recording, channel from 1 or A, start, duration, word, and a confidence if there is one.

    Raises:
        ValueError: a line with too few fields, or times that are none.
    """
    found: Recordings = {}
    for number, fields in _fields(text, "CTM needs file channel start duration word"):
        start, duration = _seconds(fields[2], number), _seconds(fields[3], number)
        probability = float(fields[5]) if len(fields) > 5 and fields[5].upper() != "NA" else None
        text, channel = _ctm_text(fields[4]), _channel(fields[1])
        word = Word(start, start + duration, text, probability, channel=channel)
        found.setdefault(from_rttm_id(fields[0]), []).append(word)
    return FoundWords(found)


def _ctm_text(field: str) -> str:
    """Return the word that `format_ctm` wrote; one that only looks like percent-encoding stays as it is."""
    text = from_rttm_id(field)
    return field if _HALF_CHARACTER.search(text) or not text.strip() else text


def parse_stm(text: str) -> FoundWords:
    """Parse STM: recording, channel from 1 or A, speaker, start, end, a label in <> if there is one, text.

    Segments that NIST does not score are left out: gaps between segments, and what is to be ignored.

    Raises:
        ValueError: a line with too few fields, or times that are none.
    """
    found: Recordings = {}
    for number, fields in _fields(text, "STM needs file channel speaker start end"):
        start, end = _seconds(fields[3], number), _seconds(fields[4], number)
        said = fields[6:] if fields[5:] and _LABEL.fullmatch(fields[5]) else fields[5:]
        if fields[2].lower() == _GAP or " ".join(said).lower() == _IGNORED:
            continue
        words = spread(" ".join(said), start, end, from_rttm_id(fields[2]))
        own = found.setdefault(from_rttm_id(fields[0]), [])
        own += [replace(word, channel=_channel(fields[1])) for word in words]
    return FoundWords(found)


def _channel(text: str) -> int:
    """Return the number of a channel that NIST's formats call 1, 2 or A, B; MIXED for other names."""
    if text.isdecimal():
        return max(int(text) - 1, MIXED)
    return ord(text.upper()) - ord("A") if len(text) == 1 and text.isascii() and text.isalpha() else MIXED


def _fields(text: str, needed: str) -> Iterator[tuple[int, list[str]]]:
    """Yield number and fields, five or more, of each line that is neither empty nor a comment.

    A comment begins with `;;`: the line, or a field after those that are needed.
    """
    for number, line in enumerate(text.splitlines(), start=1):
        fields = line.split()
        if not fields or fields[0].startswith(";;"):
            continue
        if len(fields) < _NEEDED:
            raise ValueError(f"line {number} has {len(fields)} fields, {needed}")
        comment = (n for n, field in enumerate(fields) if n >= _NEEDED and field.startswith(";;"))
        yield number, fields[: next(comment, len(fields))]


def _seconds(text: str, line: int) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < _LATEST:
        raise ValueError(f"line {line}: {text!r} are no seconds")
    return value


def parse_vtt(text: str) -> FoundWords:
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
    return FoundWords({None: words})


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


_READERS: dict[str, Callable[[str], FoundWords]] = {
    ".ctm": parse_ctm,
    ".stm": parse_stm,
    ".vtt": parse_vtt,
    ".json": parse_json,
}


def readable_suffixes() -> Iterable[str]:
    """Return the suffixes of files that `read_words` reads."""
    return _READERS
