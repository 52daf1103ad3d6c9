"""What servers answer: words with times in the JSON of OpenAI's protocol (`verbose_json`)."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

from diar.asr.errors import RecognitionError, UnrecognisedError
from diar.asr.languages import language_code
from diar.letters import letters
from diar.records import Word


@dataclass(frozen=True)
class Answer:
    """What a server heard in a piece; times in seconds from its start."""

    words: list[Word]
    language: str | None  # code


def parse_answer(body: bytes, seconds: float, place: str) -> Answer:
    """Read an answer.

    Args:
        body: JSON.
        seconds: of the piece; words end there at the latest.
        place: what messages call the server.

    Raises:
        RecognitionError: it is no `verbose_json`, or its words have no times.
        UnrecognisedError: a word's times are none.
    """
    try:
        answer = json.loads(body)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise RecognitionError(f"{place} answers with no JSON object, as `verbose_json` is")
    text, language = str(answer.get("text") or ""), str(answer.get("language") or "")
    found = _words(answer)
    if not found and text.strip():
        raise RecognitionError(
            f"{place} answers without `words`: the model there times none; choose another by `asr_model`"
        )
    try:
        words = [_word(one, seconds) for one in found]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UnrecognisedError(f"{place} answers with a word that has no text or times: {error!r}") from None
    return Answer(_as_written([word for word in words if word.text], text), language_code(language))


def _words(answer: dict[str, Any]) -> list[Any]:
    """Return the words: of the answer (OpenAI), or of its segments (whisper.cpp, others)."""
    if answer.get("words"):
        return list(answer["words"])
    segments = answer.get("segments") or []
    return [word for one in segments if isinstance(one, dict) for word in one.get("words") or []]


def _word(fields: Any, seconds: float) -> Word:
    start, end = float(fields["start"]), float(fields["end"])
    if not (math.isfinite(start) and math.isfinite(end)):
        raise ValueError(f"{start} to {end}")
    start = min(max(start, 0.0), seconds)
    probability = fields.get("probability")
    text = fields.get("word", fields.get("text"))
    return Word(
        start,
        min(max(end, start), seconds),
        " ".join(text.split()),
        None if probability is None else min(max(float(probability), 0.0), 1.0),
    )


def _as_written(words: list[Word], text: str) -> list[Word]:
    """Return the words as the text writes them: OpenAI's `words` lack full stops and commas.

    They are left as they are where the text, split at blanks, does not hold the same words one by one.
    """
    written = [part for part in text.split() if letters(part)]
    if [letters(word.text) for word in words] != [letters(part) for part in written]:
        return words
    return [Word(w.start, w.end, part, w.probability) for w, part in zip(words, written, strict=True)]
