"""Changes to files that are well-formed, as accidents and attackers make them."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

# What parsers stumble over, as bytes in a text
TEXTS = [
    *(b"NaN", b"-Infinity", b"1e300", b"-1", b"1e-9", b"0", b"9" * 5000, b"1" + b"0" * 400, b"true", b"null"),
    *(
        b"[" * 2000,
        b'{"a":' * 2000,
        b"]",
        b'"',
        b"\\",
        b"\0",
        b"\xff\xfe",
        b"\xed\xa0\x80",
        b'"\\ud800"',
        b"\r",
    ),
    *(
        b"../../x",
        b"/etc/passwd",
        b"reference://x",
        b"x" * 300,
        b"_extraction/plan",
        b"=cmd()",
        b"\x1b]0;x\x07",
    ),
    *(b"2024-01-01", b"12:30:00", b"&a [*a]", b"<<: *a", b"!!timestamp x", b"- " * 300, b"#", b";;", b"%"),
    *(b"", b" ", b"\t", b"\n", b"1,5", b"\xe2\x80\xae", "ſ".encode(), b"-->", b"WEBVTT", b"SPEAKER"),
]
_NUMBER = re.compile(rb"-?[0-9]+(\.[0-9]+)?")
_WORD = re.compile(rb"[A-Za-z0-9_./-]+")


def mutated(content: bytes, chance: random.Random) -> bytes:
    """Return `content` after one to four changes."""
    for _ in range(chance.choice([1, 1, 1, 2, 4])):
        content = chance.choice(_CHANGES)(content, chance)
    return content


def _bit(content: bytes, chance: random.Random) -> bytes:
    if not content:
        return content
    at = chance.randrange(len(content))
    return content[:at] + bytes([content[at] ^ 1 << chance.randrange(8)]) + content[at + 1 :]


def _piece(content: bytes, chance: random.Random) -> tuple[int, int]:
    start = chance.randrange(len(content) + 1)
    return start, min(len(content), start + chance.choice([1, 2, 8, 64, 1024]))


def _cut(content: bytes, chance: random.Random) -> bytes:
    start, end = _piece(content, chance)
    return content[:start] + content[end:]


def _end(content: bytes, chance: random.Random) -> bytes:
    return content[: chance.randrange(len(content) + 1)]


def _twice(content: bytes, chance: random.Random) -> bytes:
    start, end = _piece(content, chance)
    return content[:end] + content[start:end] * chance.choice([1, 3, 50]) + content[end:]


def _random(content: bytes, chance: random.Random) -> bytes:
    start, end = _piece(content, chance)
    return content[:start] + chance.randbytes(end - start) + content[end:]


def _insert(content: bytes, chance: random.Random) -> bytes:
    start, _ = _piece(content, chance)
    return content[:start] + chance.choice(TEXTS) + content[start:]


def _replace(pattern: re.Pattern[bytes]) -> Callable[[bytes, random.Random], bytes]:
    """Return a change that replaces one match by another text."""

    def change(content: bytes, chance: random.Random) -> bytes:
        found = list(pattern.finditer(content[:100_000]))
        if not found:
            return content
        one = chance.choice(found)
        return content[: one.start()] + chance.choice(TEXTS) + content[one.end() :]

    return change


_CHANGES = [_bit, _cut, _end, _twice, _random, _insert, _replace(_NUMBER), _replace(_NUMBER), _replace(_WORD)]
