"""faster-whisper itself: pieces with overlap and others go apart, and come back in order."""

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("faster_whisper", reason="words need faster-whisper")

from diar.asr.faster_whisper import FasterWhisper, compression, likeliest, whole_words
from diar.asr.open import open_recogniser
from diar.records import Word
from tests.commands import RATE
from tests.conftest import named_weights


def test_pieces_with_overlap_are_heard_with_timestamps_and_come_back_in_order(
    conversation: np.ndarray,
) -> None:
    whisper = open_recogniser(str(named_weights("whisper-tiny.en")), beam_size=1)
    pieces = [
        conversation[: 8 * RATE],
        conversation[10 * RATE : 16 * RATE],
        conversation[20 * RATE : 26 * RATE],
    ]
    apart = [
        whisper.recognise([piece], "en", [overlapped])[0]
        for piece, overlapped in zip(pieces, (0, 1, 0), strict=True)
    ]
    together = whisper.recognise(pieces, "en", [False, True, False])
    assert together[1] == apart[1]
    assert [len(words) > 3 for words in together] == [True] * 3
    starts = [[word.start for word in words] for words in together]
    assert all(
        min(own) >= 0 and max(own) < len(piece) / RATE for own, piece in zip(starts, pieces, strict=True)
    )
    assert whisper.recognise([pieces[1]], "en") == [apart[1]], "not known: as in overlap"
    assert whisper.identity.settings["timestamps"] == "in overlap"


def spoken(text: str) -> list[Word]:
    return [Word(float(n), n + 1.0, word, 0.9) for n, word in enumerate(text.split())]


@pytest.mark.parametrize("both", [False, True])
def test_a_piece_that_went_round_in_circles_is_heard_the_other_way(
    conversation: np.ndarray, monkeypatch: pytest.MonkeyPatch, both: bool
) -> None:
    whisper = open_recogniser(str(named_weights("whisper-tiny.en")), beam_size=1)
    first, second = conversation[: 8 * RATE], conversation[10 * RATE : 16 * RATE]
    plain = whisper.recognise([first], "en", [False])[0]
    loop, longer_loop = spoken("and so on " * 20), spoken("and so on " * 60)
    honest, heard = FasterWhisper._batch, []

    def looping(self: FasterWhisper, pieces: list, language: str | None, timestamps: bool) -> list:
        heard.extend((len(piece), timestamps) for piece in pieces)
        if timestamps:
            return [loop for _ in pieces]
        return [longer_loop] if both and pieces else honest(self, pieces, language, timestamps)

    monkeypatch.setattr(FasterWhisper, "_batch", looping)
    found = whisper.recognise([first, second] if not both else [first], "en", [True, False][: 2 - both])
    assert found[0] == (loop if both else plain), "where both loop, the one with less of it"
    assert heard.count((len(first), True)) == heard.count((len(first), False)) == 1
    assert len(heard) == (2 if both else 3), "what does not loop is heard once"


def test_text_that_repeats_itself_compresses() -> None:
    assert compression([]) == 0
    assert compression(spoken("we planted tomatoes in April and ate the first ones in July")) < 1.5
    assert compression(spoken("we planted tomatoes in April and ate them " * 6)) > 2.4


def test_one_piece_that_sounds_like_another_language_does_not_decide() -> None:
    far = [{"ja": 0.79, "en": 0.12}, {"en": 0.77, "ja": 0.01}, {"en": 0.46}, {"en": 0.86}]
    found = likeliest(far)
    assert (found.code, round(found.probability or 0, 4)) == ("en", 0.5525)
    assert likeliest(far[:1]).code == "ja"


def test_no_further_piece_is_asked_where_there_is_no_doubt() -> None:
    asked = iter([{"de": 0.5, "nl": 0.4}, {"nl": 0.6, "de": 0.3}, {"de": 0.97}, {"de": 0.98}])
    assert likeliest(asked).code == "de"
    assert not list(asked)
    asked = iter([{"de": 0.95}, {"nl": 1.0}])
    assert likeliest(asked).code == "de"
    assert len(list(asked)) == 1


def test_tokens_of_a_word_of_another_script_are_one_word() -> None:
    timed = [
        SimpleNamespace(word=text, start=1.0 + n, end=2.0 + n, probability=0.9 - n / 10)
        for n, text in enumerate(["新しい", "i", "Phone", " 15", "です", " "])
    ]
    found = whole_words(timed, 1.0)
    assert [(w.start, w.end, w.text, round(w.probability or 0, 1)) for w in found] == [
        (0, 1, "新しい", 0.9), (1, 3, "iPhone", 0.7), (3, 4, "15", 0.6), (4, 5, "です", 0.5)
    ]  # fmt: skip
