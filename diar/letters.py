"""What of a text is letters, what ends its lines: which words are the same, where scripts write blanks."""

from __future__ import annotations

import re
from unicodedata import category, normalize

# ZWNJ and ZWJ shape the letters beside them; variation selectors choose between pictures of one sign
_UNSEEN = dict.fromkeys([0x200C, 0x200D, *range(0xFE00, 0xFE10)])
_KEPT = ("L", "N", "Mn", "Mc")  # letters, digits, and the marks that are part of them, such as vowel signs
_WITHOUT_BLANKS = (  # Thai and Lao, Myanmar, Khmer, Chinese and Japanese, their full and half widths
    *((0x0E00, 0x0F00), (0x1000, 0x10A0), (0x1780, 0x1800), (0x3040, 0xAC00), (0xF900, 0xFB00)),
    *((0xFF00, 0xFFF0), (0x20000, 0x110000)),
)
_LINE_ENDS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")  # Cc, Zl, Zp, half characters


def one_line(text: str) -> str:
    """Return `text` with blanks for what would end a line or a field; what shapes letters (ZWNJ) stays."""
    return _LINE_ENDS.sub(" ", text)


def composed(text: str) -> str:
    """Return `text` in one of the ways to write it (NFC), without what only shapes letters."""
    return normalize("NFC", text.translate(_UNSEEN))


def is_letter(character: str) -> bool:
    """Return whether it is a letter, a digit, or a mark that is part of one, as of Devanagari and Thai."""
    return character.isalnum() or category(character).startswith(_KEPT)


def letters(text: str) -> str:
    """Return what makes two words the same: letters and digits with their marks, case ignored."""
    return "".join(filter(is_letter, composed(text.casefold())))


def is_written_without_blanks(character: str) -> bool:
    """Return whether it is a letter of Thai, Lao, Myanmar, Khmer, Chinese or Japanese."""
    code = ord(character) if character.isalnum() else 0
    return any(first <= code < end for first, end in _WITHOUT_BLANKS)


def is_written_with_blanks(character: str) -> bool:
    """Return whether it is a digit, or a letter of a script that writes blanks between words."""
    return character.isalnum() and not is_written_without_blanks(character)


def goes_on(before: str, text: str) -> bool:
    """Return whether `text` goes on with the word `before`: no blank between letters that have them."""
    return is_written_with_blanks(before[-1:]) and is_written_with_blanks(text[:1])
