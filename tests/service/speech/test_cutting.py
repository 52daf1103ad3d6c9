"""Texts in pieces: sentences that are not too short, and not too long."""

from hypothesis import given
from hypothesis import strategies as st

from diar.service.speech.cutting import LONGEST, pause_after, sentences


def test_long_sentences_are_cut_behind_clauses_then_words_then_anywhere() -> None:
    clause = "and then the ferry left the harbour at dawn, "
    pieces = sentences(clause * 20)
    assert len(pieces) > 1 and all(piece.endswith(",") and len(piece) <= LONGEST for piece in pieces)
    pieces = sentences("ferry " * 200)
    assert all(len(piece) <= LONGEST and set(piece.split()) == {"ferry"} for piece in pieces)
    assert [len(piece) for piece in sentences("x" * 1_000)] == [LONGEST, LONGEST, 200]


@given(st.text(alphabet="ab .,!?-\n", max_size=2_000))
def test_nothing_is_lost_or_said_twice(text: str) -> None:
    assert "".join("".join(sentences(text)).split()) == "".join(text.split())


def test_pauses() -> None:
    assert [pause_after(one) for one in ("Yes.", 'He said "no!"', "and then,", "ferry")] == [
        0.25,
        0.25,
        0.1,
        0,
    ]
