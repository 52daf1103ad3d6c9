"""Words as the JSON of WhisperX and of OpenAI's diarized transcription, and as a text to read."""

from __future__ import annotations

import json
from typing import Any

from diar.formats.words.document import RecordingWords
from diar.formats.words.utterances import NOBODY, Utterance, paragraphs, sentences, whole_text
from diar.records import Word

_DECIMALS = 3


def format_whisperx(result: RecordingWords) -> str:
    """Format WhisperX's JSON: segments with words and, beside them, all words.

    Every word has its speaker, `unknown` where nobody spoke; WhisperX leaves the key out.
    """
    said = sentences(result.words, result.language)
    segments = [
        {
            "start": _time(one.start),
            "end": _time(one.end),
            "text": one.text,
            "speaker": one.speaker,
            "words": [_whisperx_word(word) for word in one.words],
        }
        for one in said
    ]
    words = [_whisperx_word(word) for one in said for word in one.words]
    document = {"segments": segments, "word_segments": words, "language": result.language}
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def _whisperx_word(word: Word) -> dict[str, Any]:
    record: dict[str, Any] = {"word": word.text, "start": _time(word.start), "end": _time(word.end)}
    if word.probability is not None:
        record["score"] = round(word.probability, _DECIMALS)
    return record | {"speaker": word.speaker or NOBODY}


def openai_diarized(result: RecordingWords) -> dict[str, Any]:
    """Return OpenAI's `diarized_json` of a transcription."""
    return {
        "task": "transcribe",
        "duration": _time(result.duration),
        "text": whole_text(result.words, result.language),
        "segments": [
            _openai_segment(f"seg_{number:03}", said)
            for number, said in enumerate(sentences(result.words, result.language), start=1)
        ],
    }


def format_openai_diarized(result: RecordingWords) -> str:
    """Format `openai_diarized` as JSON."""
    return json.dumps(openai_diarized(result), ensure_ascii=False, indent=1) + "\n"


def _openai_segment(identifier: str, said: Utterance) -> dict[str, Any]:
    return {
        "type": "transcript.text.segment",
        "id": identifier,
        "start": _time(said.start),
        "end": _time(said.end),
        "text": said.text,
        "speaker": said.speaker,
    }


def format_transcript(result: RecordingWords) -> str:
    """Format a text to read: `NAME [00:12:05] what was said`, a paragraph a speaker."""
    return "".join(
        f"{said.speaker} [{_clock(said.start)}] {said.text}\n\n"
        for said in paragraphs(result.words, result.language)
    )


def _clock(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}"


def _time(seconds: float) -> float:
    return round(seconds, _DECIMALS)
