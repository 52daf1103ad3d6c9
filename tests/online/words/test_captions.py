"""What is recognised when, by a recogniser that knows the truth; overload, corrections, restored streams."""

import numpy as np
import pytest

from diar.online.events import LiveTurn, TurnCorrected, TurnEnded, TurnEvent, TurnStarted, TurnUpdated
from diar.online.settings import SAMPLE_RATE
from diar.online.words.captions import Captions, Piece, Told
from diar.records import Word

TENTH = np.zeros(SAMPLE_RATE // 10, np.float32)


class Call:
    """A stream in which a word ends every half second of speech."""

    def __init__(self, done: float = 0.0, end: float = 0.0) -> None:
        self.turns: dict[int, LiveTurn] = {}
        self.captions = Captions(self.turns, done, end)
        self.told: list[str] = []
        self.final: list[Told] = []
        self.pieces: list[Piece] = []

    def turn(self, kind: type[TurnEvent], start: float, end: float, number: int = 1) -> None:
        turn = LiveTurn(number, str(number), start, end)
        more = {"was": self.turns[number]} if kind is TurnCorrected else {}
        self.turns[number] = turn
        self.captions.turn(kind(1, end, 0.1, turn, **more))

    def hear(self, seconds: float) -> None:
        for _ in range(round(10 * seconds)):
            self.captions.hear(TENTH)

    def look(self) -> bool:
        """Do what the desk does; return whether anything was recognised."""
        told = self.captions.settle()
        if told is None:
            if not self.captions.due():
                return False
            piece = self.captions.piece()
            self.pieces.append(piece)
            said = [Word(t, t + 0.45, f"w{2 * t:.0f}") for t in np.arange(0, 200, 0.5).tolist()]
            heard = [word for word in said if word.start >= piece.start and word.end <= piece.end]
            told = self.captions.heard(piece, [self.placed(word, piece.start) for word in heard])
        self.final.append(told)
        self.told += [word.text for word in told.words]
        return True

    @staticmethod
    def placed(word: Word, start: float) -> Word:
        return Word(word.start - start, word.end - start, word.text, 0.9)


def numbers(first: int, end: int) -> list[str]:
    return [f"w{number}" for number in range(first, end)]


def test_speech_is_heard_as_it_grows_and_told_once() -> None:
    call = Call()
    call.hear(1.0)
    assert not call.look(), "nobody speaks"
    call.turn(TurnStarted, 1.0, 1.4)
    for second in range(1, 40):  # two looks a second
        for _ in range(2):
            call.hear(0.5)
            call.turn(TurnUpdated, 1.0, second + 0.5)
            call.look()
    call.turn(TurnEnded, 1.0, 39.9)
    while call.look():
        pass
    assert call.told == numbers(2, 80) and not call.captions.pending
    assert max(piece.end - piece.start for piece in call.pieces) <= 13, "a piece does not grow for ever"
    words = [word for told in call.final for word in told.words]
    assert {(word.speaker, word.turn) for word in words} == {("1", 1)}
    assert call.final[-1].partial == () and call.captions.lost == 0


def test_what_waits_too_long_is_heard_in_large_pieces_or_lost() -> None:
    call = Call()
    call.turn(TurnStarted, 0.0, 0.5)
    call.hear(60.0)  # the recogniser was away
    call.turn(TurnEnded, 0.0, 59.9)
    while call.look():
        pass
    assert call.told == numbers(0, 120) and len(call.pieces) <= 4
    call = Call()
    call.turn(TurnStarted, 0.0, 0.5)
    call.hear(100.0)
    call.turn(TurnEnded, 0.0, 99.9)
    while call.look():
        pass
    assert call.captions.lost == pytest.approx(10) and call.told[-1] == "w199" and call.told[0] == "w20"


def test_a_turn_that_had_ended_may_go_on() -> None:
    call = Call()
    call.turn(TurnStarted, 0.0, 1.0)
    call.hear(1.0)
    call.turn(TurnEnded, 0.0, 1.0)
    call.hear(0.5)
    assert call.captions.urgent
    call.turn(TurnCorrected, 0.0, 1.5)
    assert not call.captions.urgent and call.captions.due()


def test_a_restored_stream_hears_what_was_not_certain() -> None:
    call = Call(done=2.0, end=4.0)
    call.captions.restore(np.zeros(2 * SAMPLE_RATE, np.float32))
    call.turn(TurnStarted, 0.0, 4.0)
    call.hear(1.0)
    call.turn(TurnEnded, 0.0, 4.9)
    while call.look():
        pass
    assert call.told == numbers(4, 10) and call.pieces[0].start == 2.0


def test_a_piece_that_ends_the_recogniser_is_left_out() -> None:
    call = Call()
    call.turn(TurnStarted, 0.0, 2.0)
    call.hear(3.0)
    piece = call.captions.piece()
    call.captions.skip(piece)
    assert call.captions.lost == 3 and not call.captions.due()
