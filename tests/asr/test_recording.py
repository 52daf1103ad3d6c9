"""One signal to words: the language once, batches, what nobody said left out and counted."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from diar.asr.recogniser import RATE, Identity, Language
from diar.asr.recording import recognise_signal
from diar.records import Word


class Written:
    """A recogniser that says what it is told to, and notes what it is asked."""

    identity = Identity("written", "test")
    languages = None

    def __init__(self, *answers: list[Word]) -> None:
        self._answers = iter(answers)
        self.detected: list[int] = []
        self.asked: list[tuple[int, str | None]] = []
        self.overlapped: list[Sequence[bool] | None] = []

    def detect(self, pieces: Sequence[np.ndarray]) -> Language | None:
        self.detected.append(len(pieces))
        return Language("de", 0.9)

    def recognise(
        self, pieces: Sequence[np.ndarray], language: str | None, overlapped: Sequence[bool] | None = None
    ) -> list[list[Word]]:
        self.overlapped.append(overlapped)
        self.asked.append((len(pieces), language))
        return [next(self._answers) for _ in pieces]


def spoken(text: str, start: float, step: float = 0.3) -> list[Word]:
    return [Word(start + step * n, start + step * n + 0.25, one) for n, one in enumerate(text.split())]


def test_the_language_is_found_once_and_what_nobody_said_is_left_out() -> None:
    speech = np.array([[1.0, 29.0], [40.0, 68.0], [80.0, 90.0]])
    loop = "thank you so much " * 8
    recogniser = Written(
        spoken("good morning", 1.0),
        spoken(loop, 0.5) + spoken("bye", 20.0),
        spoken("yes", 2.0),
    )
    blocks = [np.zeros(RATE, np.float32) for _ in range(100)]
    heard = recognise_signal(blocks, speech, recogniser, batch=2)
    assert recogniser.detected == [3]
    assert recogniser.asked == [(2, "de"), (1, "de")]
    assert heard.language == Language("de", 0.9)
    assert [word.text for word in heard.cleaned.words] == [
        *("good", "morning", "thank", "you", "so", "much", "bye", "yes"),
    ]
    assert heard.cleaned.repeated == 28
    inside = [any(s - 0.26 <= w.start and w.end <= e + 0.26 for s, e in speech) for w in heard.cleaned.words]
    assert all(inside)
    given, overlap = Written(*([[]] * 3)), np.array([[28.0, 28.7], [80.0, 80.1]])
    heard = recognise_signal(blocks, speech, given, batch=4, language=Language("en"), overlap=overlap)
    assert given.overlapped == [[True, False, False]] and recogniser.overlapped == [None, None]
    assert heard.language == Language("en") and heard.cleaned.words == []
    assert given.detected == [] and given.asked == [(3, "en")]


def test_words_where_nobody_speaks_are_dropped_and_counted() -> None:
    # a piece with a pause of 0.9 s in it, which the recogniser fills
    speech = np.array([[0.0, 2.0], [2.9, 4.0]])
    looped = "Ba-" + "pah-" * 80 + "pah"
    filled = [*spoken("so", 1.0), Word(2.3, 2.6, "Thanks"), *spoken(f"then {looped} hahaha", 3.0)]
    heard = recognise_signal([np.zeros(5 * RATE, np.float32)], speech, Written(filled), batch=1)
    assert [word.text for word in heard.cleaned.words] == ["so", "then", "Ba-pah", "hahaha"]
    assert heard.cleaned.outside_speech == 1
    assert heard.seconds == 4.25


@pytest.mark.parametrize("batch", [1, 2, 8])
def test_the_first_four_pieces_tell_the_language_whatever_the_batch(batch: int) -> None:
    speech = np.array([[40.0 * n, 40.0 * n + 28] for n in range(6)])
    recogniser, numbers = Written(*([[]] * 6)), []

    def remember(number: int, recognise: Callable[[], list[Word]]) -> list[Word]:
        numbers.append(number)
        return recognise()

    blocks = [np.zeros(RATE, np.float32) for _ in range(240)]
    heard = recognise_signal(blocks, speech, recogniser, batch=batch, remember=remember)
    assert recogniser.detected == [4] and heard.language == Language("de", 0.9)
    assert [count for count, _ in recogniser.asked] == [min(batch, 6)] * -(-6 // batch)
    assert numbers == list(range(-(-6 // batch)))
