"""What OpenAI's transcription endpoint answers, besides its `diarized_json` (see `other_tools`)."""

from __future__ import annotations

import math
import zlib
from typing import Any

from diar.formats.words.document import RecordingWords
from diar.formats.words.utterances import Utterance, sentences, whole_text

_DECIMALS = 3
_LEAST = 1e-6  # of a probability whose logarithm is taken


def openai_json(result: RecordingWords) -> dict[str, Any]:
    """Return `json`: the text, and the seconds that are accounted for."""
    return {"text": _text(result), "usage": _usage(result)}


def openai_verbose(result: RecordingWords, *, words: bool, segments: bool) -> dict[str, Any]:
    """Return `verbose_json`.

    Segments are sentences of one speaker. `tokens` are empty and `no_speech_prob` is 0, since there are no
    tokens and only speech is recognised; `avg_logprob` is the mean of the words'. `speaker` is an addition.

    Args:
        result: what was said.
        words: give each word with its times.
        segments: give each segment.
    """
    answer: dict[str, Any] = {
        "task": "transcribe",
        "language": result.language or "",
        "duration": round(result.duration, _DECIMALS),
        "text": _text(result),
        "usage": _usage(result),
    }
    if words:
        answer["words"] = [
            {"word": word.text, "start": _time(word.start), "end": _time(word.end), "speaker": word.speaker}
            for word in result.words
        ]
    if segments:
        said = sentences(result.words, result.language)
        answer["segments"] = [_segment(number, one) for number, one in enumerate(said)]
    return answer


def _segment(number: int, said: Utterance) -> dict[str, Any]:
    logs = [math.log(max(word.probability, _LEAST)) for word in said.words if word.probability is not None]
    written = said.text.encode()
    return {
        "id": number,
        "seek": round(100 * said.start),
        "start": _time(said.start),
        "end": _time(said.end),
        "text": said.text,
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": round(sum(logs) / len(logs), _DECIMALS) if logs else 0.0,
        "compression_ratio": round(len(written) / len(zlib.compress(written)), _DECIMALS),
        "no_speech_prob": 0.0,
        "speaker": said.speaker,
    }


def _text(result: RecordingWords) -> str:
    return whole_text(result.words, result.language)


def _usage(result: RecordingWords) -> dict[str, Any]:
    return {"type": "duration", "seconds": math.ceil(result.duration)}


def _time(seconds: float) -> float:
    return round(seconds, _DECIMALS)
