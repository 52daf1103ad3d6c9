"""RTTM and UEM as they are met in the world, and the way there and back."""

import os
from pathlib import Path
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diar.formats.rttm import (
    RttmError,
    format_rttm,
    from_rttm_id,
    parse_rttm,
    read_rttm,
    read_turns,
    read_uem,
    rttm_id,
    write_rttm,
)
from diar.records import Turn

names = st.binary(min_size=1, max_size=20).map(os.fsdecode) | st.text(
    st.characters(exclude_categories=["Cs"]), min_size=1
)
milliseconds = st.integers(0, 10**8)
turns = st.builds(
    lambda recording, start, length, speaker: Turn(recording, start / 1e3, (start + length) / 1e3, speaker),
    names, milliseconds, st.integers(1, 10**6), names,
)  # fmt: skip


@given(names)
def test_any_name_becomes_one_field_and_comes_back(name: str) -> None:
    field = rttm_id(name)
    assert from_rttm_id(field) == name
    assert field.split() == [field]
    assert ";;" not in field


def test_ordinary_names_stay_legible() -> None:
    assert rttm_id("dataset1/Émission_7.wav") == "dataset1/Émission_7.wav"
    assert rttm_id("my talk 100%.wav") == "my%20talk%20100%25.wav"
    assert rttm_id("a;b.wav") == "a;b.wav"
    with pytest.raises(ValueError, match="empty"):
        rttm_id("")


@given(st.lists(turns, max_size=20))
def test_what_is_written_is_read_again(written: list[Turn]) -> None:
    read = parse_rttm(format_rttm(written), "text")
    flat = sorted(turn for found in read.values() for turn in found)
    assert [(t.recording, t.speaker) for t in flat] == [(t.recording, t.speaker) for t in sorted(written)]
    for there, back in zip(sorted(written), flat, strict=True):
        assert back.start == there.start
        assert back.end == pytest.approx(there.end, abs=1e-6)


def test_turns_that_touch_still_touch_and_slivers_are_left_out(tmp_path: Path) -> None:
    write_rttm(tmp_path / "a.rttm", [Turn("a", 0.0, 1.00049, "x"), Turn("a", 1.00049, 2.4996, "y")])
    assert (tmp_path / "a.rttm").read_bytes() == (
        b"SPEAKER a 1 0.000 1.000 <NA> <NA> x <NA> <NA>\nSPEAKER a 1 1.000 1.500 <NA> <NA> y <NA> <NA>\n"
    )
    assert format_rttm([Turn("a", 1.0, 1.0004, "x")]) == ""


def test_real_world_file(tmp_path: Path) -> None:
    text = (
        "\ufeff;; made by hand\r\n"
        "# another comment\r\n"
        "\r\n"
        "SPKR-INFO talk 1 <NA> <NA> <NA> unknown anna <NA>\r\n"
        "SPEAKER talk 1 5.5 1.25 <NA> <NA> bert <NA> <NA> and more fields\r\n"
        "  SPEAKER\ttalk  1 0 2 <NA> <NA> anna   ;; trailing words\r\n"
        "NON-SPEECH talk 1 2 1 <NA> noise <NA> <NA>\r\n"
        "SPEAKER other 1 1e1 .5 <NA> <NA> an\u00a0na 0.93\r\n"
        "SPEAKER talk 1 7 0.000 <NA> <NA> nobody <NA> <NA>"
    )
    (tmp_path / "x.rttm").write_bytes(text.encode())
    assert read_rttm(tmp_path / "x.rttm") == {
        "talk": [Turn("talk", 0.0, 2.0, "anna"), Turn("talk", 5.5, 6.75, "bert")],
        "other": [Turn("other", 10.0, 10.5, "an\u00a0na")],
    }


@pytest.mark.parametrize("name", ["a;;b.wav", "Ann ;;1", ";;", ";;;x", "talk;;"])
def test_a_name_with_the_sign_of_a_comment(name: str) -> None:
    written = [Turn(name, 0.0, 1.0, name)]
    assert parse_rttm(format_rttm(written), "text") == {name: written}
    if " " not in name and not name.startswith(";"):  # as other tools write it
        line = f"SPEAKER {name} 1 0 1 <NA> <NA> {name} <NA> <NA> ;; {name}"
        assert parse_rttm(line, "text") == {name: written}


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("SPEAKER a 1 0 2 <NA> <NA>", "7 fields"),
        ("SPEAKER a 1 0,5 2 <NA> <NA> x", "start is '0,5'"),
        ("SPEAKER a 1 0.5 -2 <NA> <NA> x", "duration is '-2'"),
        ("SPEAKER a 1 nan 2 <NA> <NA> x", "start is 'nan'"),
        ("SPEAKER a 1 0.5 inf <NA> <NA> x", "duration is 'inf'"),
        ("a 1 0.00 30.00", "starts with 'a'"),
        ("x" * 5000, "starts with 'xxx"),
        (f"SPEAKER {'x' * 5000}", "2 fields"),
    ],
)
def test_broken_lines_are_named(tmp_path: Path, line: str, told: str) -> None:
    (tmp_path / "x.rttm").write_text(f"SPEAKER a 1 0 2 <NA> <NA> x\n{line}\n")
    with pytest.raises(RttmError, match=f"x.rttm, line 2.*{told}") as raised:
        read_rttm(tmp_path / "x.rttm")
    assert len(str(raised.value)) < 1000


def test_other_encodings_are_named(tmp_path: Path) -> None:
    (tmp_path / "x.rttm").write_bytes("SPEAKER a 1 0 2 <NA> <NA> MÉO".encode("latin-1"))
    with pytest.raises(RttmError, match=r"not UTF-8 \(byte 27\)"):
        read_rttm(tmp_path / "x.rttm")


def test_folder(tmp_path: Path) -> None:
    (tmp_path / "part").mkdir()
    write_rttm(tmp_path / "a.rttm", [Turn("one", 0, 1, "x")])
    (tmp_path / "part" / "silent.rttm").write_text("")
    assert read_turns(tmp_path) == {"one": [Turn("one", 0, 1, "x")], "part/silent": []}
    write_rttm(tmp_path / "b.rttm", [Turn("one", 2, 3, "x")])
    with pytest.raises(RttmError, match=r"a.rttm and .*b.rttm both hold turns of one"):
        read_turns(tmp_path)
    write_rttm(tmp_path / "all.rttm", [Turn("two", 0, 1, "x")])
    assert set(read_turns(tmp_path)) == {"two"}


def test_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(RttmError, match=r"holds no .rttm file"):
        read_turns(tmp_path)
    with pytest.raises(RttmError, match="neither"):
        read_turns(tmp_path / "missing")


def test_uem(tmp_path: Path) -> None:
    (tmp_path / "x.uem").write_text(";; regions\nmy%20talk 1 10 20\nmy%20talk 1 0 5\nb NA 0.0 1.5 more\n")
    assert read_uem(tmp_path / "x.uem") == {"my talk": [(0.0, 5.0), (10.0, 20.0)], "b": [(0.0, 1.5)]}
    for line, told in (("a 1 5 5", "ends at 5 s"), ("a 1 5", "3 fields"), ("a 1 x 5", "start is 'x'")):
        (tmp_path / "x.uem").write_text(line)
        with pytest.raises(RttmError, match=f"line 1.*{told}"):
            read_uem(tmp_path / "x.uem")


@pytest.mark.parametrize("time", ["1e300", "-1", "nan", "inf", "9" * 400, "1e10"])
def test_times_that_no_recording_has_are_refused(tmp_path: Path, time: str) -> None:
    for name, line in (("a.rttm", f"SPEAKER a 1 {time} 1 <NA> <NA> x <NA> <NA>"), ("a.uem", f"a 1 0 {time}")):
        (tmp_path / name).write_text(line + "\n")
        with pytest.raises(RttmError, match=r"line 1: the (start|end) is .*, seconds from 0 are needed"):
            (read_rttm if name == "a.rttm" else read_uem)(tmp_path / name)


def test_two_million_lines_take_seconds() -> None:
    lines = [
        f"SPEAKER r{n % 50} 1 {n * 0.37:.3f} 1.250 <NA> <NA> s{n % 7} <NA> <NA>\n" for n in range(100_000)
    ]
    started = process_time()
    found = parse_rttm("".join(lines), "many.rttm")
    assert sum(map(len, found.values())) == 100_000
    assert process_time() - started < 5  # a twentieth of the lines; 0.5 s where nothing else runs
