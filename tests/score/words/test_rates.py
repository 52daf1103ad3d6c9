import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diar.cli import main
from diar.records import Word
from diar.score.words.rates import basic, score_recording, score_words
from tests.commands import run_diar

meeteval = pytest.importorskip("meeteval", reason="scoring words needs meeteval")


def said(*turns: tuple[str, str]) -> list[Word]:
    """Words of (speaker, text) one after the other, a second each."""
    words: list[Word] = []
    for speaker, text in turns:
        for one in text.split():
            words.append(Word(len(words), len(words) + 1, one, speaker=speaker or None))
    return words


TRUE = said(("A", "Hello there, you!"), ("B", "Good-bye now then."))


def test_errors_are_counted_with_and_without_speakers() -> None:
    found = said(("x", "hello there"), ("y", "you good by now then"))
    score = score_recording(TRUE, found)
    assert (score.words, score.errors) == (7, 1)  # "bye" is "by"
    assert score.cp_errors == 3  # "you" is missing in A's words and one too many in B's
    assert (score.aligned, score.wrong_speaker) == (7, 1)
    assert score.wer == pytest.approx(1 / 7)
    assert score.wder == pytest.approx(1 / 7)


def test_words_of_nobody_have_a_wrong_speaker() -> None:
    score = score_recording(TRUE, said(("x", "hello there you"), ("", "good bye now then")))
    assert (score.errors, score.wrong_speaker, score.without_speaker) == (0, 4, 4)


def test_a_recording_without_hypothesis_loses_all_its_words() -> None:
    scores = score_words({"r": TRUE, "s": TRUE}, {"r": TRUE, "t": TRUE})
    assert [scores[name].errors for name in scores] == [0, 7]
    assert scores["s"].cp_errors == 7
    assert set(scores) == {"r", "s"}


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("It's", "it's"),
        ("'tis,", "tis"),
        ("“No”—never!", "no never"),
        ("…", ""),
        ("Müller’s", "müller's"),
        ("a_b", "a b"),
        ("rock 'n' roll's", "rock n roll's"),
        ("हिन्दी!", "हिन्दी"),  # vowel signs are marks, not letters
        ("กำลัง", "กำลัง"),
        ("Cafe\u0301", "café"),
        ("ශ්\u200dරී", "ශ්රී"),  # a joiner shapes letters
        ("❤\ufe0f", ""),
    ],
)
def test_normalisation_leaves_letters_and_inner_apostrophes(text: str, plain: str) -> None:
    assert basic(text) == plain


def test_words_that_differ_in_their_vowel_signs_are_errors() -> None:
    score = score_recording(said(("A", "का की के")), said(("A", "की की कु")))
    assert (score.words, score.errors, score.hypothesis) == (3, 2, 3)


turns = st.lists(
    st.tuples(st.sampled_from("ABC"), st.sampled_from(["a b", "c", "d e f"])), min_size=1, max_size=8
)


@given(turns, st.permutations("ABC"))
def test_true_words_under_other_names_have_no_errors(spoken: list[tuple[str, str]], names: list[str]) -> None:
    other = dict(zip("ABC", names, strict=True))
    score = score_recording(said(*spoken), said(*((other[speaker], text) for speaker, text in spoken)))
    assert (score.errors, score.cp_errors, score.wrong_speaker) == (0, 0, 0)


@given(turns, turns)
def test_speakers_never_make_fewer_errors(true: list[tuple[str, str]], found: list[tuple[str, str]]) -> None:
    score = score_recording(said(*true), said(*found))
    assert 0 <= score.wrong_speaker <= score.aligned <= score.words
    assert score.cp_errors >= abs(score.hypothesis - score.words)
    assert score.cp_errors == meeteval.wer.cp_word_error_rate(*map(by_speaker, (true, found))).errors


def by_speaker(spoken: list[tuple[str, str]]) -> dict[str, str]:
    return {speaker: " ".join(text for who, text in spoken if who == speaker) for speaker, _ in spoken}


def test_any_number_of_speakers_is_scored() -> None:
    true = said(*((f"s{number}", f"a{number} b{number}") for number in range(30)))
    found = said(*((f"x{number}", f"a{number} c{number}") for number in reversed(range(25))))
    score = score_recording(true, found)
    assert (score.words, score.cp_errors) == (60, 25 + 10)
    assert score_recording(true, true).cp_errors == 0


def test_the_command_reads_files_and_prints_a_table_and_json(tmp_path: Path) -> None:
    (tmp_path / "truth.stm").write_text(
        "talk 1 A 0.0 3.0 hello there you\ntalk 1 B 3.0 7.0 <o,f0> good bye now then\n"
    )
    items = [
        {
            "session_id": "talk",
            "speaker": "x",
            "start_time": 0,
            "end_time": 7,
            "words": "hello there you good bye",
        }
    ]
    (tmp_path / "found.json").write_text(json.dumps(items))
    done = run_diar("score", "words", tmp_path / "truth.stm", tmp_path / "found.json")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1].split()[:3] == ["talk", "7", "28.57"]
    figures = json.loads(
        run_diar("score", "words", tmp_path / "truth.stm", tmp_path / "found.json", "--json").stdout
    )
    assert figures["pooled"]["wder"] == pytest.approx(2 / 5)
    refused = run_diar("score", "words", tmp_path / "truth.stm", tmp_path)
    assert refused.returncode == 2
    assert "holds no words" in refused.stderr


def test_recordings_are_matched_as_those_of_turns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "truth.stm").write_text("talk 1 A 0.0 3.0 hello there you\nlost 1 A 0.0 3.0 good bye\n")
    said = (
        "day/talk.wav 1 0 1 hello",
        "day/talk.wav 1 1 1 there",
        "day/talk.wav 1 2 1 you",
        "more.wav 1 0 1 no",
    )
    (tmp_path / "found.ctm").write_text("\n".join(said))
    assert main(["score", "words", str(tmp_path / "truth.stm"), str(tmp_path / "found.ctm")]) == 0
    told = capsys.readouterr()
    lines = {line.split()[0]: line.split()[1:] for line in told.out.splitlines()}
    assert lines["talk"][:2] == ["3", "0.00"] and lines["lost"][:4] == ["2", "100.00", "100.00", "–"]
    assert "1 recording without hypothesis: all of their words count as deleted (lost)" in told.err
    assert "1 recording without reference: not scored (more.wav)" in told.err
