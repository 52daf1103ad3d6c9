import pytest

from diar.formats.words.punctuation import ends_clause, ends_sentence


@pytest.mark.parametrize("text", ["done.", 'done."', "what?!", "so…", "です。", "¿Qué?", "(yes.)"])
def test_sentences_end(text: str) -> None:
    assert ends_sentence(text)
    assert ends_clause(text)


@pytest.mark.parametrize("text", ["done", "Mr.", "e.g.", "J.", "3.5", "well,"])
def test_sentences_go_on(text: str) -> None:
    assert not ends_sentence(text)


def test_clauses_end_at_commas() -> None:
    assert ends_clause("well,")
    assert ends_clause("then -".replace("-", "–"))
    assert not ends_clause("then")
