"""What makes words the same, and where scripts write blanks."""

import pytest

from diar.letters import goes_on, is_written_with_blanks, is_written_without_blanks, letters


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("“It's”", "its"),
        ("हिन्दी।", "हिन्दी"),
        ("Cafe\u0301", "café"),
        ("می\u200cخواهم", "میخواهم"),
        ("❤\ufe0f 1\ufe0f\u20e3", "1"),
        ("…", ""),
    ],
)
def test_letters_keep_their_marks(text: str, kept: str) -> None:
    assert letters(text) == kept


@pytest.mark.parametrize(
    ("letter", "blanks"), [("a", True), ("7", True), ("한", True), ("日", False), ("ก", False)]
)
def test_scripts_write_blanks_or_not(letter: str, blanks: bool) -> None:
    assert is_written_with_blanks(letter) is blanks
    assert is_written_without_blanks(letter) is not blanks


def test_a_part_of_a_word_goes_on_with_it() -> None:
    assert goes_on("i", "Phone") and goes_on("20", "24")
    assert (
        not goes_on("i", " Phone")
        and not goes_on("日", "本")
        and not goes_on("", "a")
        and not goes_on("a.", "b")
    )
