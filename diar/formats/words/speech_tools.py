"""Words for the tools of speech recognition: CTM and STM of NIST, SegLST of CHiME, TextGrid of Praat."""

from __future__ import annotations

import json

import numpy as np

from diar.formats.labels import format_tiers
from diar.formats.rttm import rttm_id
from diar.formats.words.document import RecordingWords
from diar.formats.words.utterances import NOBODY, sentences
from diar.records import Word

_DECIMALS = 3


def format_ctm(result: RecordingWords) -> str:
    """Format CTM: recording, channel from 1, start, duration, word, confidence (NIST SCTK, ctm.5)."""
    recording = rttm_id(result.recording_id)
    return "".join(_ctm_line(recording, word) for word in sorted(result.words, key=_ctm_order))


def _ctm_order(word: Word) -> tuple[int, float]:
    return word.channel, word.start


def _ctm_line(recording: str, word: Word) -> str:
    start, end = round(word.start, _DECIMALS), round(word.end, _DECIMALS)
    confidence = "" if word.probability is None else f" {word.probability:.3f}"
    channel = max(word.channel, 0) + 1
    return f"{recording} {channel} {start:.3f} {end - start:.3f} {rttm_id(word.text)}{confidence}\n"


def format_stm(result: RecordingWords) -> str:
    """Format STM: recording, channel, speaker, start, end, text; a line a sentence (NIST SCTK, stm.5)."""
    lines = []
    for said in sentences(result.words, result.language):
        where = f"{rttm_id(result.recording_id)} {max(said.words[0].channel, 0) + 1} {rttm_id(said.speaker)}"
        lines.append(f"{where} {said.start:.3f} {said.end:.3f} {said.text}\n")
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
