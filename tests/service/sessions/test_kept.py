"""What the service keeps of a session of many hours."""

import tracemalloc

from diar.online.events import (
    LiveTurn,
    LiveWord,
    SpeakerMerged,
    SpeakerSplit,
    TurnFinal,
    TurnStarted,
    WordsHeard,
)
from diar.service.sessions.board import MOST_TURNS, Board
from diar.service.sessions.event_log import MOST_EVENTS, Entry, EventLog

HOURS, TURNS = 6, 1_200  # turns an hour


def test_a_session_of_hours_keeps_the_latest_events_and_turns_only() -> None:
    log, board, taken = EventLog(), Board(), []
    tracemalloc.start()
    for number in range(1, HOURS * TURNS + 1):
        start = 3.0 * number
        turn = LiveTurn(number, str(number % 4 + 1), start, start + 2.5, (), 0.875, final=True)
        for kind in (TurnStarted, TurnFinal):
            event = kind(log.next_seq, start, 0.5, turn)
            board.take(event)
            log.append(Entry(event.seq, event.type, event.to_json()))
        if number % TURNS == 0:
            taken.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert len(log.after(0)) == MOST_EVENTS and log.holds(log.next_seq - MOST_EVENTS - 1)
    told = board.to_dict()
    assert told["omitted_turns"] == HOURS * TURNS - MOST_TURNS
    assert [turn["id"] for turn in told["turns"]] == list(range(told["omitted_turns"] + 1, HOURS * TURNS + 1))
    assert taken[2] - taken[1] < 200_000  # bytes an hour, while turns are kept
    assert taken[-1] - taken[-2] < 100_000  # and then
    assert taken[-1] < 2_000_000


def test_turns_of_long_ago_are_merged_and_split_like_others() -> None:
    turns = [
        LiveTurn(n, str(n % 3 + 1), 2.0 * n, 2.0 * n + 1, (), 0.5, final=n < 1_400) for n in range(1, 1_401)
    ]
    board = Board(turns, {"1": "Anna"})
    assert len(board.turns) == 500 and board.turns[1_400] == turns[-1]
    told = [LiveWord("so", 2.0 * n, 2.0 * n + 0.5, str(n % 3 + 1), n, 0.9, False) for n in (4, 1_300)]
    board.take(WordsHeard(1, 2_800.0, 0.5, tuple(told), ()))
    board.take(SpeakerMerged(2, 2_800.0, 0.0, "2", "3"))
    board.take(SpeakerSplit(3, 2_800.0, 0.0, "3", "4", (4, 5, 6, 1_300)))
    shown = {turn["id"]: turn for turn in board.to_dict()["turns"]}
    assert len(shown) == 1_400 and board.speakers() == {"1", "3", "4"}
    assert [shown[n]["speaker"] for n in (1, 2, 3, 4, 5, 6)] == ["3", "3", "1", "4", "4", "1"]
    assert shown[1_300]["speaker"] == "4" and not shown[1_400]["final"]
    assert [word["speaker"] for word in board.words_to_dict()["words"]] == ["4", "4"]
    assert [turn["id"] for turn in board.final_turns()] == list(range(1, 1_400))
    board.renew(turns[:10], {})
    assert len(board.to_dict()["turns"]) == 10 and board.speakers() == {"1", "2", "3"}
