"""Final turns in columns are what a list of them would be, in a fraction of its memory."""

import tracemalloc
from dataclasses import replace

import pytest

from diar.online.events import LiveTurn
from diar.online.final_turns import FinalTurns


def turns(count: int) -> list[LiveTurn]:
    """Turns of four speakers, every third one with overlaps."""
    names = ("1", "2", "3", "14")
    return [
        LiveTurn(
            number + 1,
            names[number % 4],
            2.0 * number,
            2.0 * number + 1.7,
            tuple(sorted((names[(number + 1) % 4], names[(number + 2) % 4]))) if number % 3 == 0 else (),
            number / count,
            final=True,
        )
        for number in range(count)
    ]


def kept(told: list[LiveTurn]) -> FinalTurns:
    found = FinalTurns()
    for turn in told:
        found.append(turn)
    return found


def test_they_come_back_as_they_were_added_and_saved() -> None:
    told = turns(40)
    found = kept(told)
    assert list(found) == told and len(found) == 40
    assert list(FinalTurns(found.columns(), found.overlaps)) == told
    assert found.spans("14").tolist() == [[turn.start, turn.end] for turn in told if turn.speaker == "14"]
    assert found.spans("7").shape == (0, 2)


def test_speakers_that_are_merged_and_split_change_as_in_a_list() -> None:
    told = turns(40)
    found = kept(told)
    found.rename("14", "2")
    assert not any(turn.speaker == "14" or "14" in turn.overlaps for turn in found)
    for turn, before in zip(found, told, strict=True):
        others = {"2" if name == "14" else name for name in before.overlaps} - {before.speaker}
        own = "2" if before.speaker == "14" else before.speaker
        assert turn == replace(before, speaker=own, overlaps=tuple(sorted(others)))
    merged = list(found)
    found.hand_over({3, 4, 1_000}, "5")
    assert list(found) == [replace(turn, speaker="5") if turn.id in {3, 4} else turn for turn in merged]


@pytest.mark.parametrize("hours", [24])
def test_a_day_of_turns_takes_little_memory(hours: int) -> None:
    told = turns(1_200 * hours)
    tracemalloc.start()
    found = kept(told)
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken / hours < 100_000  # bytes an hour
    assert sum(column.nbytes for column in found.columns().values()) == 40 * len(told)
