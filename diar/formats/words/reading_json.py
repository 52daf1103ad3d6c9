"""Words in JSON: of Whisper, WhisperX, SegLST and this program."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from typing import Any

from diar.formats.words.found import FoundWords, Recordings, shared_out, spread
from diar.letters import goes_on
from diar.records import MIXED, Word
from diar.texts import from_json


def parse_json(text: str) -> FoundWords:
    """Parse the JSON of Whisper, WhisperX, SegLST or this program.

    Raises:
        ValueError, KeyError: it is none of them.
    """
    document = from_json(text)
    if isinstance(document, list):
        return FoundWords(_seglst(document))
    if document.get("schema") == "diar.words":
        own = [_own_word(word) for word in document["words"]]
        return FoundWords({document["recording_id"]: own}, _language(document))
    if "segments" not in document:
        raise ValueError("has neither `segments`, as Whisper and WhisperX write, nor the items of SegLST")
    segments = _whole_words(document["segments"])
    words = [word for segment in segments for word in _of_segment(segment)]
    return FoundWords({None: words}, _language(document))


def _language(document: dict[str, Any]) -> str | None:
    """Return the language that a document names, if it does."""
    language = document.get("language")
    return language if isinstance(language, str) else None


def _own_word(fields: dict[str, Any]) -> Word:
    start, end, text = float(fields["start"]), float(fields["end"]), fields["text"]
    probability, speaker = _probability(fields.get("probability")), fields.get("speaker")
    return Word(start, end, text, probability, speaker, channel=int(fields.get("channel", MIXED)))


def _seglst(items: list[dict[str, Any]]) -> Recordings:
    found: Recordings = {}
    for item in items:
        times = float(item["start_time"]), float(item["end_time"])
        words = spread(item["words"], *times, item.get("speaker"))
        found.setdefault(str(item["session_id"]), []).extend(words)
    return found


def _whole_words(segments: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return segments in which the tokens of one word are one.

    In languages without blanks Whisper times each token. Its words begin with the blank before them, so that
    one without goes on with what is before it. WhisperX writes no such blanks.
    """
    if not any(word["word"].startswith(" ") for one in segments for word in one.get("words") or ()):
        return segments
    return [{**one, "words": _joined(one["words"])} if one.get("words") else one for one in segments]


def _joined(words: list[dict[str, Any]]) -> list[dict[str, Any]]:
    whole: list[dict[str, Any]] = []
    for word in words:
        if whole and goes_on(whole[-1]["word"], word["word"]):
            whole[-1] = {**whole[-1], "word": whole[-1]["word"] + word["word"], "end": word.get("end")}
        else:
            whole.append(word)
    return whole


def _of_segment(segment: dict[str, Any]) -> Iterator[Word]:
    """Yield the words of a segment; those without times (numbers) share the time between their neighbours."""
    words, speaker = segment.get("words"), segment.get("speaker")
    if not words:
        yield from spread(segment["text"], float(segment["start"]), float(segment["end"]), speaker)
        return
    runs = [list(run) for _, run in groupby(words, key=_is_timed)]
    for number, run in enumerate(runs):
        times = [_times(word) for word in run if _is_timed(word)]
        if not times:
            start = _times(runs[number - 1][-1])[1] if number else float(segment["start"])
            last = number + 1 == len(runs)
            end = float(segment["end"]) if last else _times(runs[number + 1][0])[0]
            times = list(shared_out([word["word"] for word in run], start, max(end, start)))
        for word, own in zip(run, times, strict=True):
            yield from _parts(word, own, speaker)


def _is_timed(word: dict[str, Any]) -> bool:
    return word.get("start") is not None


def _times(word: dict[str, Any]) -> tuple[float, float]:
    """Return start and end of a word of Whisper or WhisperX, which may lack its end, or end early."""
    start, end = float(word["start"]), word.get("end")
    return start, start if end is None else max(float(end), start)


def _parts(word: dict[str, Any], times: tuple[float, float], speaker: Any) -> Iterator[Word]:
    """Yield a word of Whisper or WhisperX; one with blanks in it is several."""
    probability = _probability(word.get("probability", word.get("score")))
    for one in spread(word["word"], *times, word.get("speaker", speaker)):
        yield replace(one, probability=probability)


def _probability(value: Any) -> float | None:
    return None if value is None else float(value)
