"""Texts in pieces that are spoken one after the other: sentences, and parts of long ones."""

from __future__ import annotations

import re
from itertools import pairwise

SHORTEST = 12  # characters: what has fewer is spoken with the next, for its melody
LONGEST = 400  # characters: while a piece is spoken, everybody else waits
_SENTENCE_END = re.compile(r"[.!?…]+[\"”')\]]*\s+(?![a-z])")
_PLACES = (re.compile(r"[;:,.!?…—–][\"”')\]]*\s"), re.compile(r"\s"))  # where a long one is cut, best first
_PAUSE, _SHORT_PAUSE = 0.25, 0.1  # seconds after a sentence, after a clause; none within it


def sentences(text: str) -> list[str]:
    """Cut a text into sentences; very short ones go with the next, long ones are cut."""
    text = text.strip()
    ends = [found.end() for found in _SENTENCE_END.finditer(text)]
    found: list[str] = []
    short = ""
    for start, end in pairwise([0, *ends, len(text)]):
        joined = f"{short} {text[start:end].strip()}".strip()
        if len(joined) < SHORTEST:
            short = joined
        else:
            found.append(joined)
            short = ""
    if short:
        found[-1:] = [f"{found[-1]} {short}"] if found else [short]
    return [piece for sentence in found for piece in _cut(sentence)]


def pause_after(piece: str) -> float:
    """Return the seconds of silence between a piece and the next."""
    last = piece.rstrip("\"”')]")[-1:]
    return _PAUSE if last in set(".!?…") else _SHORT_PAUSE if last in set(";:,—–") else 0.0


def _cut(sentence: str) -> list[str]:
    """Cut what is too long behind a clause, else behind a word, else anywhere."""
    pieces, rest = [], sentence
    while len(rest) > LONGEST:
        head = rest[:LONGEST]
        ends = [[found.end() for found in place.finditer(head)] for place in _PLACES]
        late = [own[-1] for own in ends if own and own[-1] > LONGEST // 4]
        cut = late[0] if late else LONGEST
        pieces.append(rest[:cut].strip())
        rest = rest[cut:].strip()
    return [*pieces, rest] if rest else pieces
