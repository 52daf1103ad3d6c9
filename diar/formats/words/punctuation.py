"""Where sentences and clauses end, by what is written after a word."""

from __future__ import annotations

_CLOSING = "\"'”’»)]}」』"  # may follow the mark
_SENTENCE = tuple(".?!…。？！।؟")
_CLAUSE = tuple(",;:–—、，；：،")
_ABBREVIATIONS = {"mr.", "mrs.", "ms.", "dr.", "prof.", "st.", "vs.", "etc.", "e.g.", "i.e.", "z.b."}


def ends_sentence(text: str) -> bool:
    """Return whether a sentence ends with this word; abbreviations and initials do not count."""
    bare = text.rstrip(_CLOSING)
    if not bare.endswith(_SENTENCE):
        return False
    return not (bare.lower() in _ABBREVIATIONS or (len(bare) == 2 and bare[0].isupper() and bare[1] == "."))


def ends_clause(text: str) -> bool:
    """Return whether a clause, or a sentence, ends with this word."""
    return ends_sentence(text) or text.rstrip(_CLOSING).endswith(_CLAUSE)
