import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from diar.align.assignment import AssignmentSettings, assign_speakers, cheapest_way
from diar.intervals import IntervalLists
from diar.records import ActivityFrames, RecordingRow, RecordingTracks, Tracks, Turn, Word
from tests.align.test_cleaning import words_of


def turn(start: float, end: float, speaker: str, channel: int = -1) -> Turn:
    return Turn("r", start, end, speaker, channel)


def speakers(words: list[Word]) -> str:
    return "".join(word.speaker or "-" for word in words)


@given(
    st.integers(1, 3).flatmap(
        lambda k: st.integers(1, 6).flatmap(
            lambda n: st.tuples(
                arrays(float, (n, k), elements=st.floats(0, 1)),
                arrays(float, n - 1, elements=st.floats(0, 1)),
            )
        )
    )
)
def test_the_way_is_the_cheapest_of_all(given_costs: tuple[np.ndarray, np.ndarray]) -> None:
    costs, changes = given_costs

    def price(way: tuple[int, ...]) -> float:
        moved = [before != after for before, after in itertools.pairwise(way)]
        return float(sum(costs[n, k] for n, k in enumerate(way)) + np.dot(moved, changes))

    ways = itertools.product(range(costs.shape[1]), repeat=len(costs))
    assert np.isclose(price(tuple(cheapest_way(costs, changes))), min(map(price, ways)))


def test_a_word_belongs_to_the_turn_that_covers_most_of_it() -> None:
    words = words_of("one two. three four five", each=1.0)
    found = assign_speakers(words, [turn(0, 1.9, "a"), turn(1.9, 5, "b")])
    assert speakers(found) == "aabbb"
    assert not any(word.overlap for word in found)
    assert [word.text for word in found] == ["one", "two.", "three", "four", "five"]


def test_a_change_moves_to_the_end_of_the_sentence_when_the_turns_are_a_little_late() -> None:
    words = words_of("I am done. Me too of course yes", each=0.3)  # the sentence ends at 0.9 s
    assert speakers(assign_speakers(words, [turn(0, 1.15, "a"), turn(1.15, 3, "b")])) == "aaabbbbb"
    word_by_word = AssignmentSettings(change=0)
    assert (
        speakers(assign_speakers(words, [turn(0, 1.15, "a"), turn(1.15, 3, "b")], None, word_by_word))
        == "aaaabbbb"
    )
    clear = [turn(0, 1.8, "a"), turn(1.8, 3, "b")]  # nine tenths of a second are no slip
    assert speakers(assign_speakers(words, clear)) == "aaaaaabb"


def test_nobody_says_one_word_in_the_middle_of_somebody_elses_clause_without_evidence() -> None:
    words = words_of("we will see about that tomorrow", each=0.25)
    assert (
        speakers(assign_speakers(words, [turn(0, 0.5, "a"), turn(0.5, 0.75, "b"), turn(0.75, 2, "a")]))
        == "aaaaaa"
    )
    spoken = words_of("we will see Really? about that", each=0.5)
    answer = [turn(0, 1.5, "a"), turn(1.5, 2.0, "b"), turn(2.0, 3.0, "a")]
    assert speakers(assign_speakers(spoken, answer)) == "aaabaa"


def test_in_overlap_the_sentence_goes_on_and_is_marked() -> None:
    words = words_of("I thought that we could go there. Yes please do", each=0.3)
    found = assign_speakers(words, [turn(0, 2.2, "a"), turn(1.5, 3.0, "b")])
    assert speakers(found) == "aaaaaaabbb"
    assert [word.overlap for word in found] == [False] * 5 + [True] * 2 + [False] * 3


def test_in_overlap_a_sentence_is_that_of_whose_turn_has_its_ends() -> None:
    """An answer while the other's turn goes on, though the other is the likelier one."""
    words = words_of("We saw it. And you looked through it? Twice. More", each=0.3)  # asked from 0.9 to 2.4 s
    turns = [turn(0, 3, "a"), turn(0.9, 2.45, "b")]
    loud, faint = np.full(100, 250, np.uint8), np.full(100, 150, np.uint8)
    for tracks in (None, tracks_of([loud, faint], [[(0.0, 3.0)], [(0.9, 2.45)]])):
        found = assign_speakers(words, turns, tracks)
        assert speakers(found) == "aaabbbbbaa"
    late = [turn(0, 3, "a"), turn(1.5, 2.05, "b")]  # its ends are others
    assert speakers(assign_speakers(words, late, tracks)) == "a" * 10


def test_words_outside_of_turns_go_to_the_nearest_within_reach_and_else_to_nobody() -> None:
    words = [Word(0.0, 0.4, "hm"), Word(2.3, 2.6, "so"), Word(5.0, 5.3, "lost"), Word(8.0, 8.2, "late")]
    found = assign_speakers(words, [turn(3, 4, "a"), turn(7, 8.5, "b")], None, AssignmentSettings(reach=0.5))
    assert speakers(found) == "-a-b"
    assert speakers(assign_speakers(words, [])) == "----"


def test_words_of_a_channel_belong_to_its_speakers() -> None:
    words = [
        Word(0.0, 1.0, "left", channel=0),
        Word(0.0, 1.0, "right", channel=1),
        Word(5, 6, "none", channel=2),
    ]
    both = [turn(0, 10, "a", 0), turn(0, 10, "b", 1)]
    assert speakers(assign_speakers(words, both)) == "ab-"


def tracks_of(activity: list[np.ndarray], active: list[list[tuple[float, float]]]) -> RecordingTracks:
    n = len(activity)
    tracks = Tracks(
        start=np.zeros(n),
        end=np.full(n, 10.0),
        local_speaker=np.arange(n, dtype=np.int16),
        active=IntervalLists.of(np.array(own) for own in active),
        speech_seconds=np.ones(n, np.float32),
        clean_seconds=np.ones(n, np.float32),
        activity=activity,
        embedding=np.eye(n, 4, dtype=np.float32),
        windows=np.array([[0.0, 10.0]]),
        channel=np.full(n, -1, np.int16),
    )
    return RecordingTracks(RecordingRow("r", "r.wav"), tracks, ActivityFrames(0.05, 0.1), {})


def test_in_overlap_the_likelier_speaker_says_the_word() -> None:
    loud, faint = np.full(100, 250, np.uint8), np.full(100, 250, np.uint8)
    faint[40:60] = 110  # from 4 to 6 s
    turns = [turn(0, 6, "a"), turn(4, 10, "b")]
    words = words_of("a word in overlap", start=4.0, each=0.5)
    for first, second, expected in ((loud, faint, "aaaa"), (faint, loud, "bbbb")):
        tracks = tracks_of([first, second], [[(0.0, 6.0)], [(4.0, 10.0)]])
        found = assign_speakers(words, turns, tracks)
        assert speakers(found) == expected
        assert all(word.overlap for word in found)


words_anywhere = st.lists(st.tuples(st.floats(0, 30), st.floats(0, 2)), max_size=15).map(
    lambda pairs: [Word(s, s + d, "w.") for s, d in pairs]
)
turns_anywhere = st.lists(
    st.tuples(st.floats(0, 30), st.floats(0.1, 5), st.sampled_from("abc")).map(
        lambda t: turn(t[0], t[0] + t[1], t[2])
    ),
    max_size=10,
)


@given(words_anywhere, turns_anywhere)
def test_every_word_within_reach_has_a_speaker_near_it(words: list[Word], turns: list[Turn]) -> None:
    found = assign_speakers(words, turns)
    assert [(w.start, w.end, w.text) for w in found] == [(w.start, w.end, w.text) for w in words]
    for word in found:
        gaps = {t.speaker: max(t.start - word.end, word.start - t.end, 0) for t in turns}
        for t in turns:
            gaps[t.speaker] = min(gaps[t.speaker], max(t.start - word.end, word.start - t.end, 0))
        if min(gaps.values(), default=1) <= 0.5:
            assert gaps[word.speaker] <= 0.5
        else:
            assert word.speaker is None
