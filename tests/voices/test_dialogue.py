"""Conversations as they are planned and laid out: their truth is what is heard."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diar.errors import DiarError
from diar.voices.conversation import lay_out, texts_of
from diar.voices.dialogue import BACKCHANNELS, Manner, follow_script, plan_dialogue, read_script
from diar.voices.make import Wanted, plan

RATE = 16_000


def spoken(lines, names):
    """Every text as noise, 60 ms a character."""
    rng = np.random.default_rng(5)
    for text in texts_of(lines, names, [1.0] * len(names)):
        yield 0.1 * rng.standard_normal(len(text.text) * RATE * 6 // 100)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 6), st.floats(0, 1), st.floats(0, 1), st.integers(0, 2**20))
def test_the_truth_is_what_is_heard(people: int, overlap: float, backchannels: float, seed: int) -> None:
    names = [f"n{i}" for i in range(people)]
    rng = np.random.default_rng(seed)
    lines = plan_dialogue(people, 40, Manner(overlap, backchannels), rng)
    assert {line.person for line in lines} == set(range(people))
    talk = lay_out(lines, spoken(lines, names), RATE, names, rng)
    assert len(talk.texts) == len(list(texts_of(lines, names, [1.0] * people)))
    active = np.zeros(talk.tracks.shape, bool)
    for turn in talk.turns:
        assert 0 <= turn.start < turn.end <= talk.tracks.shape[1] / RATE
        active[names.index(turn.speaker), round(turn.start * RATE) : round(turn.end * RATE)] = True
    assert not talk.tracks[~active].any(), "speech outside of all turns"
    assert np.mean(talk.tracks[active] != 0) > 0.99, "turns without speech"
    own = [[turn for turn in talk.turns if turn.speaker == name] for name in names]
    assert all(a.end < b.start for turns in own for a, b in pairwise(turns))
    if not overlap and (people < 2 or not backchannels):
        assert talk.overlap == 0


def test_more_overlap_is_more_overlap() -> None:
    shares = []
    for overlap in (0.0, 0.3, 0.8):
        rng = np.random.default_rng(1)
        lines = plan_dialogue(3, 400, Manner(overlap, 0.0), rng)
        shares.append(lay_out(lines, spoken(lines, ["a", "b", "c"]), RATE, ["a", "b", "c"], rng).overlap)
    assert shares[0] == 0 < 0.02 < shares[1] < shares[2] < 0.4


def test_a_script_is_followed(tmp_path: Path) -> None:
    script = tmp_path / "talk.txt"
    script.write_text("# a meeting\nAnna: Good morning. Shall we begin?\n\nBen: Yes: at once.\nAnna: Fine.\n")
    said = read_script(script)
    assert said == [
        ("Anna", ["Good morning.", "Shall we begin?"]), ("Ben", ["Yes: at once."]), ("Anna", ["Fine."])
    ]  # fmt: skip
    lines = follow_script(said, Manner(0.5, 1.0), np.random.default_rng(0))
    assert [line.person for line in lines] == [0, 1, 0]
    assert [[one.text for one in line.sentences] for line in lines] == [texts for _, texts in said]
    assert all(
        not one.backchannel or one.backchannel in BACKCHANNELS for line in lines for one in line.sentences
    )
    for text, told in (
        (b"no colon\n", "NAME"),
        (b"# nothing\n", "holds no line"),
        (b"A:\n", "NAME"),
        (b"Ren\xe9: Hello.\n", "not UTF-8 .byte 3."),
    ):
        script.write_bytes(text)
        with pytest.raises(DiarError, match=told):
            read_script(script)
    script.write_bytes(b"\xef\xbb\xbfAnna: Good morning.\n")  # as Windows' editors begin a file
    assert read_script(script) == [("Anna", ["Good morning."])]


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=12), st.integers(0, 2**20))
def test_nobody_speaks_while_they_speak_themselves(speakers: list[str], seed: int) -> None:
    rng = np.random.default_rng(seed)
    alone = plan_dialogue(1, 30, Manner(1.0, 0.0), rng)
    script = follow_script(
        [(name, ["A sentence of some length."]) for name in speakers], Manner(1.0, 0.0), rng
    )
    for lines, names in ((alone, ["a"]), (script, list(dict.fromkeys(speakers)))):
        talk = lay_out(lines, spoken(lines, names), RATE, names, rng)
        for name in names:
            own = [text for text in talk.texts if text.speaker == name]
            assert all(a.end <= b.start + 0.001 for a, b in pairwise(own))


def test_people_have_the_voices_that_are_told_apart_unless_others_are_named() -> None:
    voices, apart = ("a", "b", "c", "d"), ("b", "d")
    for wanted, allowed in (
        (Wanted(people=(2, 2)), {"b", "d"}),
        (Wanted(people=(2, 2), voices="ac"), {"a", "c"}),
    ):
        (one,) = plan(wanted, voices, apart)
        assert {*one.voices} == allowed
    assert len(plan(Wanted(people=(4, 4)), voices)[0].voices) == 4
    with pytest.raises(DiarError, match="2 voices that are told apart; name more"):
        plan(Wanted(people=(3, 3)), voices, apart)
    with pytest.raises(DiarError, match="3 people speak in `script`, and there are 2 voices"):
        plan(Wanted(script=[(name, ["Yes."]) for name in "xyz"]), voices, apart)
    with pytest.raises(DiarError, match="`voices=a` is named twice"):
        plan(Wanted(people=(2, 2), voices="aba"), voices, apart)
