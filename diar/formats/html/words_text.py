"""The words of a recording as a script that the page loads when the recording is opened.

A page that is opened from a disk may read no other file, but it may run scripts beside it.
"""

from __future__ import annotations

import json
from typing import Any

from diar.formats.words.document import RecordingWords
from diar.formats.words.utterances import join

WORDS_SCRIPT = "words.js"
_STEPS = 1000  # in a second


def words_script(result: RecordingWords) -> bytes:
    """Return a call of the page's `takeWords`: times in milliseconds, starts from the word before."""
    people = result.speakers
    number = {name: place for place, name in enumerate(people)}
    starts = [max(0, round(_STEPS * word.start)) for word in result.words]
    words = list(zip(starts, result.words, strict=True))
    data: dict[str, Any] = {
        "recording": result.recording_id,
        "program": result.program,
        "recogniser": result.recogniser.model,
        "language": result.language,
        "blank": join(["", ""], result.language),
        "people": people,
        "start": [start - before for before, start in zip([0, *starts], starts, strict=False)],
        "length": [max(0, round(_STEPS * word.end) - start) for start, word in words],
        "text": [word.text for word in result.words],
        "who": [-1 if word.speaker is None else number[word.speaker] for word in result.words],
    }
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return f"takeWords({text.replace('<', chr(92) + 'u003c')});\n".encode(errors="replace")
