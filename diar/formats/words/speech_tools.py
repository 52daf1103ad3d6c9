"""Words for the tools of speech recognition: CTM and STM of NIST, SegLST of CHiME, TextGrid of Praat."""

from __future__ import annotations

import json
import re
from urllib.parse import quote

import numpy as np

from diar.formats.labels import format_tiers
from diar.formats.rttm import rttm_id
from diar.formats.words.document import RecordingWords
from diar.formats.words.utterances import NOBODY, sentences
from diar.letters import one_line
from diar.records import Word

_DECIMALS = 3
_NOT_IN_A_FIELD = re.compile(r"[\s\x00-\x1f\x7f-\x9f]|%(?=[0-9A-Fa-f]{2})")
_LABEL = "<O> "


def format_ctm(result: RecordingWords) -> str:
    """Format CTM: recording, channel from 1, start, duration, word, confidence (NIST SCTK, ctm.5)."""
    recording = rttm_id(result.recording_id)
    return "".join(_ctm_line(recording, word) for word in sorted(result.words, key=_ctm_order))


def _channel(word: Word) -> int:
    """Return the channel as NIST's formats count it; words of one signal have the first."""
    return max(word.channel, 0) + 1


def _ctm_order(word: Word) -> tuple[int, float]:
    return _channel(word), word.start


def _ctm_line(recording: str, word: Word) -> str:
    start, end = round(word.start, _DECIMALS), round(word.end, _DECIMALS)
    confidence = "" if word.probability is None else f" {word.probability:.3f}"
    return f"{recording} {_channel(word)} {start:.3f} {end - start:.3f} {_ctm_text(word.text)}{confidence}\n"


def _ctm_text(text: str) -> str:
    """Return a word as one field: what would end it is percent-encoded, and what would be read as such.

    Other tools decode nothing: `50%` and whatever else ends no field is written as it is.
    """
    return _NOT_IN_A_FIELD.sub(lambda found: quote(found[0], safe="", errors="replace"), text)


def format_stm(result: RecordingWords) -> str:
    """Format STM: recording, channel, speaker, start, end, text; a line a sentence (NIST SCTK, stm.5).

    A text that begins with `<` has a label before it: else its first word would be read as one.
    """
    lines = []
    ordered = sorted(
        sentences(result.words, result.language), key=lambda said: (_channel(said.words[0]), said.start)
    )
    for said in ordered:
        where = f"{rttm_id(result.recording_id)} {_channel(said.words[0])} {rttm_id(said.speaker)}"
        text = _LABEL * said.text.startswith("<") + one_line(said.text)
        lines.append(f"{where} {said.start:.3f} {said.end:.3f} {text}\n")
    return "".join(lines)


def format_seglst(result: RecordingWords) -> str:
    """Format SegLST, the JSON of CHiME-7 and meeteval; an item a sentence."""
    items = [
        {
            "session_id": result.recording_id,
            "speaker": said.speaker,
            "start_time": round(said.start, _DECIMALS),
            "end_time": round(said.end, _DECIMALS),
            "words": said.text,
        }
        for said in sentences(result.words, result.language)
    ]
    return json.dumps(items, ensure_ascii=False, indent=1) + "\n"


def format_words_textgrid(result: RecordingWords) -> str:
    """Format Praat's TextGrid: a tier a speaker, an interval a word."""
    tiers: dict[str, list[tuple[float, float, str]]] = {}
    for word in sorted(result.words, key=lambda word: word.start):
        tiers.setdefault(word.speaker or NOBODY, []).append((word.start, word.end, word.text))
    return format_tiers({name: _disjoint(own) for name, own in tiers.items()}, result.duration)


def _disjoint(words: list[tuple[float, float, str]]) -> list[tuple[float, float, str]]:
    """Return intervals that the next one ends; words that begin in the same millisecond share one."""
    starts = np.round([start for start, _, _ in words], _DECIMALS)
    ends = np.maximum([end for _, end, _ in words], starts + 10.0**-_DECIMALS)
    ends = np.minimum(np.round(ends, _DECIMALS), np.append(starts[1:], np.inf))
    intervals: list[tuple[float, float, str]] = []
    waiting = ""
    for start, end, (_, _, text) in zip(starts.tolist(), ends.tolist(), words, strict=True):
        if end > start:
            intervals.append((start, end, waiting + text))
        waiting = "" if end > start else f"{waiting}{text} "
    return intervals
