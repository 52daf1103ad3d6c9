"""References that a manifest names: of parts of files, alone in their RTTM or among others."""

from pathlib import Path

import pytest

from diar.errors import DiarError
from diar.formats.rttm import write_rttm
from diar.outputs.listed_reference import ListedReference
from diar.records import Turn


def test_a_part_gets_its_own_turns_on_its_own_clock(tmp_path: Path) -> None:
    path = tmp_path / "a.rttm"
    spans = [(0.0, 4.0, "A"), (9.0, 11.0, "A"), (12.0, 13.5, "B"), (19.0, 25.0, "A"), (20.0, 21.0, "B")]
    write_rttm(path, [Turn("whatever", *span) for span in spans])
    found = ListedReference(str(path), "a.wav", offset=10.0, duration=10.0).turns("a.wav@10.00-20.00")
    expected = [(0.0, 1.0, "A"), (2.0, 3.5, "B"), (9.0, 10.0, "A")]
    assert found == [Turn("a.wav@10.00-20.00", *span) for span in expected]


def test_of_several_recordings_the_one_with_the_files_name_is_meant(tmp_path: Path) -> None:
    path = tmp_path / "all.rttm"
    write_rttm(path, [Turn("a", 1.0, 2.0, "A"), Turn("b", 3.0, 4.0, "B")])
    found = ListedReference(str(path), "session/b.wav", 0.0, 10.0).turns("session/b.wav")
    assert found == [Turn("session/b.wav", 3.0, 4.0, "B")]
    with pytest.raises(DiarError, match=r"all\.rttm holds 2 recordings, but not c\.wav"):
        ListedReference(str(path), "c.wav", 0.0, 10.0).turns("c.wav")


def test_an_empty_file_says_that_nobody_speaks(tmp_path: Path) -> None:
    (tmp_path / "a.rttm").write_text("")
    assert ListedReference(str(tmp_path / "a.rttm"), "a.wav", 0.0, 10.0).turns("a.wav") == []


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"NONSENSE 1 2 3\n"])
def test_what_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "bad.rttm"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DiarError, match=r"bad\.rttm"):
        ListedReference(str(path), "a.wav", 0.0, 10.0).turns("a.wav")
