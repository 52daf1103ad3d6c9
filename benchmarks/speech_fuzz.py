"""Random bodies for `POST /v1/audio/speech`, the same by a seed; `speech_hostile.py` sends them.

Most are wrong in one place or more; the others have short texts, which are soon all kept.
"""

from __future__ import annotations

import http.client
import json
import random
import time
from collections import Counter
from typing import Any

from live_server import Served
from speech_attacks import PATH, caller

_EACH = 200  # requests of a caller: fewer than are allowed in a minute
_WRONG: list[Any] = [
    *(None, True, False, 0, -1, 7, 1.5, 1e300, 10**30, float("nan"), float("inf"), "", " ", "x" * 65),
    *(
        [],
        [1],
        {},
        {"a": {"b": []}},
        "\0",
        "\ud800",
        "../../etc/passwd",
        "%2e%2e%2f",
        "\u202e",
        "alloy",
        "tts-1",
    ),
]
_TEXTS = (
    "Yes.",
    "It is so.",
    "\u0627\u0644\u0633\u0644\u0627\u0645",
    "<break/>",
    "[[h@loU]]",
    "?!",
    "...",
    "\x01\x02",
)
_RIGHT: dict[str, tuple[Any, ...]] = {
    "model": ("plain", "tts-1"),
    "voice": ("steph", "gustave"),
    "input": _TEXTS,
    "response_format": ("mp3", "opus", "aac", "flac", "wav", "pcm"),
    "speed": (0.5, 1, 2.0),
}


def case(chance: random.Random) -> bytes:
    """Return one body."""
    fields = {name: chance.choice(values) for name, values in _RIGHT.items()}
    for name in chance.sample(
        sorted(fields), chance.choice((0, 1, 1, 1, 2, 5)) if chance.random() > 0.01 else 0
    ):
        if chance.random() < 0.2:
            del fields[name]
        else:
            fields[name] = chance.choice(_WRONG)
    content = json.dumps(fields).encode()
    kind = chance.random()
    if kind < 0.1:
        return content[: chance.randrange(len(content))]
    if kind < 0.2:
        changed = bytearray(content)
        for _ in range(chance.randint(1, 8)):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        return bytes(changed)
    if kind < 0.25:
        return chance.randbytes(chance.randrange(2_000))
    if kind < 0.27:
        return b"[" * chance.randrange(1, 70_000)
    return content


def fuzz(served: Served, cases: int, seed: int) -> tuple[Counter[str], float]:
    """Send random bodies one after the other; return how often each status came, and the longest seconds."""
    chance, answers, longest = random.Random(seed), Counter[str](), 0.0
    connection, credentials = http.client.HTTPConnection(served.address, timeout=60), caller()
    for number in range(cases):
        if number % _EACH == 0:
            credentials = caller()
        began = time.monotonic()
        try:
            connection.request("POST", PATH, case(chance), credentials)
            answer = connection.getresponse()
            answer.read()
            answers[str(answer.status)] += 1
        except (OSError, http.client.HTTPException) as error:
            answers[type(error).__name__] += 1
            connection.close()
        longest = max(longest, time.monotonic() - began)
    connection.close()
    return answers, longest
